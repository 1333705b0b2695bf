"""Commands that must pass before a run counts as done; run by qcode, not by the model.

`outcome.py` says what is known of one, `running.py` runs them.
"""
