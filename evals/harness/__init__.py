"""Tasks given to agents, judged, counted: `qcode eval`.

```
loaders/ ─▶ task.py ─▶ placing.py: a folder of its own ─▶ agents/: somebody works there
                                                             │
   reports/ ◀─ store.py ◀─ trial.py ◀─ judging.py ◀──────────┘
```

`schedule.py` runs trials side by side, and goes on where a killed evaluation stopped.
"""
