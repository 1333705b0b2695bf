"""What sessions cost: tokens, money, time.

```
journals ─▶ entries.py: one entry a request ─┬▶ sums.py: by session, day, project, model, turn
                                             └▶ elsewhere.py: the same on other models
a journal, replayed ─▶ causes.py: what its tokens were spent on
```

The journals are the ledger: what a budget counts is what is written there.
"""
