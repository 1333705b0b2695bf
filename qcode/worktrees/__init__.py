"""Copies of a person's files to work on: git worktrees that begin as the person's tree is.

`making.py` makes one, `lacking.py` gives it what git ignores and commands need, `owned.py`
removes it, also after a kill, `bringing.py` takes what was done in it to the person's tree.
"""
