"""Arguments to calls: one module a command, imported when it is the one.

A command module has `configure(parser)` and `main(args) -> exit code`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib import import_module
from typing import NoReturn, TextIO

from qcode.cli import first_paint, homes
from qcode.errors import QcodeError, UsageError

COMMANDS = {
    "run": "work on a task without a terminal, print the answer, exit with a code",
    "resume": "reopen a session",
    "sessions": "list, show, export or remove past sessions",
    "undo": "take back what a session changed, from a step on; shell commands' effects too",
    "redo": "make what was taken back anew",
    "checkpoints": "list the changes of a session by number; `prune` drops old ones",
    "diff": "what a session changed",
    "watch": "do what comments in the code say to qcode, whenever a file is saved",
    "bridge": "hand a selection or text from an editor to the session that is open",
    "models": "the known models: context, price, tool-call format; `show NAME`, `check`",
    "doctor": "check the model's server: tool calls, context, speed; say what to change",
    "sandbox": "try the sandbox out (`verify`), or run a command in it (`run -- CMD`)",
    "cost": "what sessions cost: by day, session, project, model, and on what it was spent",
    "context": "where the tokens of a request go: a first one here, or the next of a session",
    "eval": "try agents and models on suites of tasks; report, compare, replay",
    "facts": "which commands test, lint and build here, as sessions found out; add and forget",
    "acp": "be the agent of an editor: the Agent Client Protocol on stdin and stdout",
    "mcp": "servers of the Model Context Protocol: list, add, remove, test, login; `serve`",
    "config": "what is set and where (`get`), `set` one of it, `path` of your file",
    "trust": "let the settings in this folder loosen what is asked and what may be touched",
    "audit": "what left this machine: to which host, for what, how many bytes",
    "local": "the embedded local model: up, down, status",
    "completion": "print the script with which bash, zsh or fish completes commands and options",
}
"""Name to one line of help. The module is `qcode.cli.<name>`."""

_IN_SESSION = (None, "run", "resume", "watch")
"""Commands that hold a session, which is written down somewhere."""

_REACHES = (*_IN_SESSION, "acp", "mcp", "doctor", "local", "sandbox")
"""Commands that connect to something, which is written down (`qcode audit`)."""

_TAKES_VALUE = frozenset(
    {"-m", "--model", "--base-url", "--api-key-env", "--approval-mode",
     "--sandbox", "--sandbox-tier", "--allow", "--deny", "--allow-host", "--add-dir",
     "--fallback", "--stronger", "--stronger-cost",
     "-C", "--cwd", "--max-steps", "--max-tokens", "--max-cost", "--max-time",
     "--config", "--resume", "--session"}
)  # fmt: skip
"""Shared options followed by a value: it is not the command even if it is a word like one."""


class Parser(argparse.ArgumentParser):
    """A parser that reports a wrong argument as the program's one-line error."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a `UsageError`."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def run_command(argv: list[str]) -> int:
    """Run the command that the arguments name; print a failure as one line."""
    debug = "--debug" in argv
    try:
        name, rest = _split(argv)
        if name is None and first_paint.is_wanted(argv):
            first_paint.paint()
        module = import_module(f"qcode.cli.{name or 'interactive'}")
        parser = Parser(
            prog=f"qcode {name}" if name else "qcode",
            description=COMMANDS.get(name or "", "An agentic coding assistant for the terminal."),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            epilog=None if name else _commands_help(),
        )
        module.configure(parser)
        if (spelled_out := getattr(module, "spelled_out", None)) is not None:
            rest = spelled_out(rest)
        args = parser.parse_args(rest)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _log_to_nowhere_but(sys.stderr if debug else None)
        holds = name in _IN_SESSION
        homes.settle(_notice if holds else lambda _text: None, make=holds)
        if name in _REACHES:
            from qcode.cli import reaching

            reaching.record()
        code: int = module.main(args)
        if sys.stdout and not sys.stdout.closed:  # None when the process was started with it closed
            sys.stdout.flush()
        return code
    except QcodeError as error:
        if debug:
            raise
        fail(str(error))
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output is gone: nobody to tell. stdout is replaced so
        # that the interpreter's own flush at exit does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        if debug:
            raise
        where = f" `{error.filename}`" if error.filename else ""
        fail(f"{error.strerror or error}{where}; --debug shows where it happened")
        return 1
    finally:
        first_paint.restore()
        if (ledger := sys.modules.get("qcode.network.ledger")) is not None:
            ledger.flush()


def _log_to_nowhere_but(stream: TextIO | None) -> None:
    """Send log records (tracebacks of tools, say) to a stream, or drop them."""
    import logging

    handler = logging.StreamHandler(stream) if stream else logging.NullHandler()
    if stream:
        from qcode.ui.printable import printable

        class Printable(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                return printable(super().format(record))

        handler.setFormatter(Printable())
    logging.getLogger("qcode").addHandler(handler)


def fail(message: str) -> None:
    """Print the one line on stderr that says what happened and what to do."""
    first_paint.clear()
    # What a server says may stand in it, and it must not steer the terminal.
    from qcode.ui.printable import printable

    line = " ".join(printable(message).split())
    print(f"qcode: {line}", file=sys.stderr, flush=True)


def _notice(text: str) -> None:
    from qcode.cli.noting import note_on_stderr

    note_on_stderr(text)


def _split(argv: list[str]) -> tuple[str | None, list[str]]:
    """Return the command and the arguments without it; options may stand before it."""
    position = 0
    while position < len(argv):
        word = argv[position]
        if word == "--":
            break
        if word in _TAKES_VALUE:
            position += 2
            continue
        if not word.startswith("-"):
            if word in COMMANDS:
                return word, argv[:position] + argv[position + 1 :]
            break
        position += 1
    return None, argv


def _commands_help() -> str:
    rows = "\n".join(f"  {name:<12}{text}" for name, text in COMMANDS.items())
    return f"commands:\n{rows}\n\n`qcode COMMAND --help` tells more."
