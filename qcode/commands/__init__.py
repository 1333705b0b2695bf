"""Custom commands: messages that people keep in files, and send by a name behind a slash.

`command.py` reads one, `filling.py` puts in what was written behind the name, `running.py` runs the
shell commands that it asks for.
"""
