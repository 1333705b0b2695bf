"""qcode in the harnesses of others: Harbor, and Terminal-Bench's own before it.

`agent.py` and `terminal_bench.py` are loaded by those programs, which bring the packages that
they import; `trajectory.py` needs neither. Of qcode itself all of it needs next to nothing, so
that `pip install --no-deps qcode-agent` is enough beside them.
"""
