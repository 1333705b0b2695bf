"""A stronger model for one step, where the session's own is stuck.

```
results of calls ─▶ stuck.py: why it is stuck, if it is ─▶ ladder.py: may another be asked?
history, files ─▶ brief.py: what that one is told ─▶ its calls are run as a step of the turn,
                                                      its words told to the session's model
```

Never without a person having named that model, and never beyond what it may cost.
"""
