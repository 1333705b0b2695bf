"""`qcode eval batch`: instances in, patches out, as SWE-agent's and mini-swe-agent's batch modes.

```
DIR/preds.json             by id: instance_id, model_name_or_path, model_patch; goes on growing
DIR/exit_statuses.yaml     which ended how
DIR/ID/ID.traj.json        what was said, and what it took
DIR/ID/…                   what the agent left: output, requests
```

Nothing is judged here: the harness that the instances are from does that with `preds.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError, UsageError
from qcode.evals.agents import Agent, Endpoint, Limits, Outcome, Work, instances, known
from qcode.evals.agents.instances import Instance
from qcode.evals.harness.task import Check, Task
from qcode.files_whole import write_whole
from qcode.record import Record

SUITE = "batch"
PREDICTIONS = "preds.json"
STATUSES = "exit_statuses.yaml"


class Done(Record):
    """What came of an instance."""

    id: str
    status: str
    patch: str
    outcome: Outcome


class Batch:
    """Instances worked on side by side; what is done is written down at once."""

    def __init__(
        self,
        agent: Agent,
        endpoint: Endpoint,
        limits: Limits,
        output: Path,
        environ: Mapping[str, str],
        *,
        keep: bool = False,
    ) -> None:
        self._agent = agent
        self._endpoint = endpoint
        self._limits = limits
        self._output = output
        self._environ = environ
        self._keep = keep
        self.predictions = _read(output / PREDICTIONS)
        self.statuses = _read(output / "statuses.json")

    async def run(self, todo: list[Instance], workers: int) -> list[Done]:
        """Work on all of them, at most `workers` at a time."""
        slots = asyncio.Semaphore(workers)
        done: list[Done] = []

        async def one(instance: Instance) -> None:
            async with slots:
                print(f"{instance.id}: begun", flush=True)
                result = await self._one(instance)
                self._write(result)
                done.append(result)
                print(f"{instance.id}: {result.status}, {_lines(result.patch)}", flush=True)

        async with asyncio.TaskGroup() as group:
            for instance in todo:
                group.create_task(one(instance))
        return done

    async def _one(self, instance: Instance) -> Done:
        place = self._output / instance.id
        shutil.rmtree(place, ignore_errors=True)
        artefacts, home, folder = place, place / "home", place / "repo"
        home.mkdir(parents=True)
        try:
            base = await asyncio.to_thread(instances.lay_out, instance, folder, self._environ)
            work = Work(
                Task(instance.id, SUITE, instance.prompt, Check("true")),
                instance.prompt,
                folder,
                home,
                artefacts,
                self._endpoint,
                self._limits,
                0,
            )
            outcome = await self._agent.work(work, self._environ)
            patch = await asyncio.to_thread(instances.patch, folder, base, self._environ)
        except QcodeError as error:
            outcome, patch = Outcome(None, "", error=str(error)), ""
        finally:
            if not self._keep:
                shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(home, ignore_errors=True)
        status = f"error: {outcome.error}" if outcome.error else outcome.ended or "finished"
        return Done(instance.id, status, patch, outcome)

    def _write(self, done: Done) -> None:
        trajectory = self._output / done.id / f"{done.id}.traj.json"
        model = self._endpoint.model
        _put(trajectory, _trajectory(done, trajectory.parent, model, self._agent.name))
        self.statuses[done.id] = done.status
        if done.outcome.error:
            self.predictions.pop(done.id, None)  # so that it is tried again without --redo
        else:
            self.predictions[done.id] = {
                "instance_id": done.id,
                "model_name_or_path": model,
                "model_patch": done.patch,
            }
        _put(self._output / PREDICTIONS, self.predictions)
        _put(self._output / "statuses.json", self.statuses)
        write_whole(self._output / STATUSES, _yaml(self.statuses), force=True)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("--instances", metavar="FILE", type=Path, required=True, help="one JSON object a line")
    add("--output", "-o", metavar="DIR", type=Path, required=True, help="where results go")
    add("-m", "--model", metavar="MODEL", required=True, help="the model that works")
    add("--base-url", metavar="URL", default="", help="an OpenAI-compatible endpoint")
    add("--api-key-env", metavar="NAME", default="", help="the variable that holds its key")
    add("--context-window", metavar="N", type=_whole, help="tokens that the endpoint takes")
    add("--temperature", metavar="T", type=float, help="instead of the endpoint's own")
    add("--seed", metavar="N", type=int, default=0, help="of the sampling (0)")
    add("--agent", metavar="NAME", default="qcode", help=f"{', '.join(known.AGENTS)} (qcode)")
    add("--workers", "-j", metavar="N", type=_whole, default=1, help="so many at a time (1)")
    add("--filter", metavar="REGEX", default="", help="only ids in which this is found")
    add("--slice", metavar="A:B", default="", help="only these of them, as Python counts")
    add("--redo", action="store_true", help="work on those again that are done")
    add("--keep", action="store_true", help="keep each repository as it was left")
    add("--max-steps", metavar="N", type=_whole, help="requests to the model for each")
    add("--max-tokens", metavar="N", type=_whole, help="tokens for each")
    add("--max-cost", metavar="USD", type=float, help="US dollars for each")
    add("--max-time", metavar="S", type=float, default=1800.0, help="seconds for each (1800)")


def main(args: argparse.Namespace) -> int:
    """Work on the instances; exit code 1 if the set-up of one failed.

    Raises:
        UsageError: the instances cannot be read, or the agent is not there.
    """
    todo = chosen(instances.load(args.instances), args.filter, args.slice)
    environ = dict(os.environ)
    agent = known.make(args.agent, environ, counted=True)
    agent.version()
    output: Path = args.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    batch = Batch(
        agent,
        Endpoint(
            args.model,
            args.base_url,
            args.api_key_env,
            args.context_window,
            args.temperature,
            args.seed,
        ),
        Limits(args.max_time, args.max_steps, args.max_tokens, args.max_cost),
        output,
        environ,
        keep=args.keep,
    )
    left = [one for one in todo if args.redo or one.id not in batch.predictions]
    if len(left) < len(todo):
        print(f"{len(todo) - len(left)} of {len(todo)} are done; --redo works on them again")
    try:
        done = asyncio.run(batch.run(left, args.workers))
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with what is left")
        return 130
    return 1 if any(one.outcome.error for one in done) else 0


def chosen(given: list[Instance], pattern: str, part: str) -> list[Instance]:
    """Return those that an expression and a slice leave.

    Raises:
        UsageError: one of them cannot be read.
    """
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--filter `{pattern}` is no expression: {error}") from None
    found = [one for one in given if wanted.search(one.id)]
    if not part:
        return found
    try:
        return found[slice(*(int(x) if x else None for x in part.split(":")))]
    except (ValueError, TypeError):
        raise UsageError(f"--slice `{part}` is no slice", hint="write it as 0:10") from None


def _trajectory(done: Done, folder: Path, model: str, agent: str) -> dict[str, Any]:
    """Return it in the form of mini-swe-agent's: `info`, and `messages` as the model saw them."""
    effort = done.outcome.effort
    return {
        "trajectory_format": "qcode-batch-1",
        "instance_id": done.id,
        "info": {
            "exit_status": done.status,
            "submission": done.patch,
            "agent": agent,
            "model": model,
            "model_stats": {
                "instance_cost": effort.cost_usd,
                "api_calls": effort.steps,
                "tokens_read": effort.read_tokens,
                "tokens_cached": effort.cached_tokens,
                "tokens_written": effort.written_tokens,
            },
            "wall_s": effort.wall_s,
        },
        "messages": [*_messages(folder), {"role": "assistant", "content": done.outcome.answer}],
    }


def _messages(folder: Path) -> list[Any]:
    """Return the messages of the longest request that the model was sent."""
    longest: list[Any] = []
    try:
        with (folder / "requests.jsonl").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                body = json.loads(line).get("body")
                messages = body.get("messages") if isinstance(body, dict) else None
                if isinstance(messages, list) and len(messages) >= len(longest):
                    longest = messages
    except (OSError, ValueError):
        pass
    return longest


def _yaml(statuses: Mapping[str, str]) -> str:
    """Return them by status, as SWE-agent lists them; a string of JSON is one of YAML."""
    lines = ["instances_by_exit_status:"]
    for status in sorted(set(statuses.values())):
        lines.append(f"  {json.dumps(status)}:")
        lines += [
            f"    - {json.dumps(name)}" for name in sorted(statuses) if statuses[name] == status
        ]
    return "\n".join([*lines, ""]) if statuses else "instances_by_exit_status: {}\n"


def _read(path: Path) -> dict[str, Any]:
    """Return what an earlier run wrote.

    Raises:
        UsageError: it is not what one writes.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read `{path}`: {error}", hint="move it away") from error
    if not isinstance(value, dict):
        raise UsageError(f"`{path}` is no object by instance", hint="move it away")
    return value


def _put(path: Path, value: object) -> None:
    # Escaped, since a patch may hold bytes that are no UTF-8.
    write_whole(path, json.dumps(value, indent=1) + "\n", force=True)


def _lines(patch: str) -> str:
    count = sum(line[:1] in "+-" and line[:3] not in ("+++", "---") for line in patch.splitlines())
    return f"{count} lines changed" if count else "nothing changed"


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
