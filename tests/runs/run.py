"""Plays the scenarios from end to end: `make runs`. Exits with 1 if one came out otherwise.

`--only WORD` picks those with it in their names; `--jobs N` at once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

# Run as a script in a checkout.
sys.path.append(str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from run_scenarios import Scenario, play, scenarios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    chosen = [each for each in scenarios().values() if args.only in each.name]
    started = time.monotonic()
    failed = 0

    def one(scenario: Scenario) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as folder:
            return play(scenario, Path(folder))

    with ThreadPoolExecutor(args.jobs) as pool:
        playing = {pool.submit(one, scenario): scenario for scenario in chosen}
        for done in as_completed(playing):
            wrong = done.result()
            failed += bool(wrong)
            for text in wrong:
                print(f"{playing[done].name}: {text}", flush=True)
    took = time.monotonic() - started
    print(f"{len(chosen) - failed} passed, {failed} failed in {took:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
