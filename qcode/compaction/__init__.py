"""Making room in a long session without forgetting what matters.

When the history nears the model's window, all but its last steps is put aside. What
stays of it is the ledger: what was asked, planned, changed, run and decided, gathered by
rule and not by a model. The words themselves stay searchable (`recall`).
"""
