"""Agents that work for a session's own: a task each, in a context of their own.

`definitions.py` reads them from Markdown; `tool.py` is how the model hands over a task;
`working.py` takes a task to its answer. Only the answer comes back.
"""
