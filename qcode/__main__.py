"""The program: `qcode` and `python -m qcode`."""

from __future__ import annotations

import os
import sys

# What `typing` says too, without its 10 ms: `--version` and an early Ctrl-C wait for this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn


def main() -> int:
    """Run the program with the process's arguments; return its exit code."""
    argv = sys.argv[1:]
    if argv in (["--version"], ["-V"]):
        # Answered before anything is imported: scripts ask for it often.
        from qcode import __version__

        print(f"qcode {__version__}")
        return 0
    for fd in (0, 1, 2):
        # A closed one would be the number of the next file opened, and whoever
        # prints would then write into the journal.
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    import signal

    # An exception out of a signal can be lost in the middle of an import, so until the
    # command is there Ctrl-C ends the process at once; nothing has been begun by then.
    signal.signal(signal.SIGINT, _leave)
    try:
        from qcode.cli import run_command

        return run_command(argv)
    except KeyboardInterrupt:
        os.write(2, _LEFT)
        return 130


_LEFT = b"qcode: interrupted before anything was begun\n"


def _leave(_number: int, _frame: object) -> None:
    # It may be half imported in that moment, and has painted nothing then.
    restore = getattr(sys.modules.get("qcode.cli.first_paint"), "restore", None)
    if restore is not None:
        restore()
    os.write(2, _LEFT)
    os._exit(130)


def program() -> NoReturn:
    """Be the process: run `main` and end.

    Taking down the interpreter costs 20 to 30 ms, a tenth of a short run, and waits
    for threads that may never end. What has to be whole at the end (journal,
    processes, connections) has been closed by then, so the process ends at once.
    """
    sys.excepthook = _tell_of_a_bug
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream and not stream.closed:
                stream.flush()
        except OSError:
            pass  # its reader is gone; the code says so already
    os._exit(code)


def _tell_of_a_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print a traceback; what a server or a file said may stand in it."""
    from traceback import format_exception

    from qcode.ui.printable import printable

    print(printable("".join(format_exception(kind, error, trace))), end="", file=sys.stderr)


if __name__ == "__main__":
    program()
