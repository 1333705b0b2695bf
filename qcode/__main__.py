"""The program: `qcode` and `python -m qcode`."""

from __future__ import annotations

import os
import sys


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
    try:
        from qcode.cli import run_command

        return run_command(argv)
    except KeyboardInterrupt:
        return 130


def program() -> int:
    """Be the process: run `main` and end.

    Taking down the interpreter costs 20 to 30 ms, a tenth of a short run. What has
    to be whole at the end (journal, processes, connections) has been closed by
    then, so the process ends at once, unless a thread is left that would be waited for.
    """
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            pass  # its reader is gone; the code says so already
    threading = sys.modules.get("threading")
    if threading is None or all(t.daemon or t.name == "MainThread" for t in threading.enumerate()):
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(program())
