"""Programs of the person's that are run at certain moments, and may block, allow or add.

`hooks.py` reads what is configured, in the form of Claude Code and Qwen Code; `wording.py` says
a call in their words; `running.py` runs one; `answers.py` reads what it answers; `session.py` is
what a session's loop knows of all that.
"""
