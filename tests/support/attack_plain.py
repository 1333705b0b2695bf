"""Tools with no protection whatever: they show what a case does where nothing stops it.

A case that holds here proves nothing about qcode.
"""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Add = Callable[[str, float, int], None]

TIMEOUT_S = 20.0
"""Of a command that gives none."""
FILE_TIMEOUT_S = 6
MOST_OUTPUT = 8 * 1024 * 1024


def make(
    attempts: list[Json], workspace: Path, output: list[str], screen: io.StringIO, add: Add
) -> None:
    """Make the attempts in order; `add` is told status, beginning and exit code of each."""
    for attempt in attempts:
        began = time.monotonic()
        signal.signal(signal.SIGALRM, _out_of_time)
        exit_code = 0
        try:
            if attempt["tool"] == "shell":
                text, status, exit_code = _shell(attempt["args"], workspace)
            else:
                signal.alarm(FILE_TIMEOUT_S)
                text, status = _file_tool(attempt["tool"], attempt["args"], workspace), "ok"
        except (OSError, ValueError) as error:
            text, status = str(error), "error"
        finally:
            signal.alarm(0)
        output.append(text)
        screen.write(f"{text}\n")
        add(status, began, exit_code)


def _out_of_time(_number: int, _frame: object) -> None:
    raise OSError("out of time")


def _shell(args: Json, workspace: Path) -> tuple[str, str, int]:
    argv, cwd = ["/bin/bash", "-c", args["command"]], workspace / args.get("cwd", ".")
    if args.get("is_background"):
        with open(Path.home() / "job.log", "wb") as log:
            subprocess.Popen(argv, cwd=cwd, stdout=log, stderr=log)
        return "started", "ok", 0
    process = subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    until = time.monotonic() + args.get("timeout_s", TIMEOUT_S)
    kept = b""
    with process.stdout as pipe:
        while (left := until - time.monotonic()) > 0:
            if not select.select([pipe], [], [], left)[0]:
                break
            piece = os.read(pipe.fileno(), 65536)
            if not piece:
                process.wait()
                break
            if len(kept) < MOST_OUTPUT:
                kept += piece
    text = kept.decode("utf-8", "surrogateescape")
    if process.poll() is None or until < time.monotonic():
        process.kill()
        process.wait()
        return text, "timeout", 0
    return text, "error" if process.returncode else "ok", process.returncode


def _file_tool(tool: str, args: Json, workspace: Path) -> str:
    path = Path(os.path.realpath(workspace / args.get("path", ".")))
    match tool:
        case "write_file":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(args["content"])
            return "written"
        case "edit_file":
            path.write_text(path.read_text().replace(args["old"], args["new"], 1))
            return "edited"
        case "read_file":
            with path.open("rb") as file:
                return file.read(MOST_OUTPUT).decode("utf-8", "surrogateescape")
        case "list_dir":
            return "\n".join(os.fsdecode(name) for name in sorted(os.listdir(os.fsencode(path))))
        case "search":
            command = f'grep -Rn -D skip "{args["pattern"]}" "{path}"'
            found = subprocess.run(command, shell=True, cwd=workspace, capture_output=True)
            return found.stdout.decode("utf-8", "surrogateescape")
        case "internal":
            status = subprocess.run(
                ["git", "status", "--porcelain"], cwd=workspace, capture_output=True
            )
            diff = subprocess.run(["git", "diff"], cwd=workspace, capture_output=True)
            return (status.stdout + diff.stdout).decode("utf-8", "surrogateescape")
    raise ValueError(f"unknown tool `{tool}`")
