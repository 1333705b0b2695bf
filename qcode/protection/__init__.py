"""No cheating: what a run must not change to count as done, and what it did to it.

`protection.py` is the way in. `roles.py` and `named.py` say what is protected, `scan.py` and
`kept.py` what was there before, `judge.py` what counts, `restore.py` puts it back.
"""
