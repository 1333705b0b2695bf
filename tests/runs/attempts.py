"""How often, and how soon, `--attempts 4` is verified with a model that succeeds by chance.

The server has four slots, and an answer takes a while. A run with one attempt gives the time
to compare with. Prints the share of verified runs and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Run as a script in a checkout.
sys.path.append(str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

import scripted_server as scripted
from program import COMMAND, repository

STEPS = 4
ROUNDS = 4
"""Turns of an attempt that does not succeed: the first one, and what fails told three times."""


class Model:
    """Reads a few times, then mends the file or not; the same for all turns of an attempt."""

    def __init__(self, chance: float, answer_s: float, seed: int) -> None:
        self._chance = chance
        self._answer_s = answer_s
        self._seed = seed
        self.run = 0

    def __call__(self, seen: scripted.Seen) -> scripted.Reply:
        messages = seen.json["messages"]
        luck = random.Random(f"{self._seed} {self.run} {seen.json.get('temperature')}").random()
        done = sum(message["role"] == "tool" for message in messages)
        reply: scripted.Stream
        if done < STEPS - 1:
            reply = scripted.call("read_file", file_path="a.txt", offset=done + 1)
        elif luck < self._chance and done < STEPS:
            reply = scripted.call("edit", file_path="a.txt", old_string="one", new_string="two")
        else:
            reply = scripted.text("Done.")
        return scripted.silent(reply, self._answer_s)


def run(folder: Path, url: str, *args: str) -> tuple[bool, float]:
    """Return whether a run was verified, and how long it took."""
    env = {**os.environ, "QCODE_BASE_URL": url, "QCODE_MODEL": "scripted"}
    command = [
        *COMMAND,
        "run",
        "-y",
        "-o",
        "json",
        "--verify",
        "grep -q two a.txt",
        *args,
        "mend it",
    ]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    took = time.monotonic() - began
    result = json.loads(done.stdout)
    assert result["exit_code"] in (0, 1), done.stderr
    subprocess.run(["git", "checkout", "-q", "."], cwd=folder, check=True)
    return result["exit_code"] == 0, took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=60)
    parser.add_argument("--chance", type=float, default=0.4)
    parser.add_argument("--answer-s", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = str(Path(temporary, name))
        for name in ("AUTHOR", "COMMITTER"):
            os.environ |= {f"GIT_{name}_NAME": "a", f"GIT_{name}_EMAIL": "a@example.invalid"}
        work = Path(temporary, "work")
        work.mkdir()
        repository(work, {"a.txt": "one\n"})
        model = Model(args.chance, args.answer_s, args.seed)
        one: list[tuple[bool, float]] = []
        four: list[tuple[bool, float]] = []
        with scripted.ScriptedServer(model, slots=4) as server:
            for model.run in range(args.n):
                four.append(run(work, server.base_url, "--attempts", "4"))
                if model.run % 3 == 0:
                    one.append(run(work, server.base_url))
    for name, runs in (("1 attempt", one), ("4 attempts", four)):
        share = sum(verified for verified, _ in runs) / len(runs)
        times = [took for _, took in runs]
        took = f"median {statistics.median(times):.1f} s, mean {statistics.mean(times):.1f} s"
        print(f"{name}: {len(runs)} runs, {share:.2f} verified; {took}, most {max(times):.1f} s")
    medians = [statistics.median(took for _, took in runs) for runs in (four, one)]
    means = [statistics.mean(took for _, took in runs) for runs in (four, one)]
    print(f"4 to 1: median {medians[0] / medians[1]:.2f}, mean {means[0] / means[1]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
