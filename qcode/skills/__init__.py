"""Skills: folders with a `SKILL.md` that a model is told of by name, and reads when it needs one.

`skill.py` reads one, `telling.py` says before the first message which there are, `using.py` is what
the model gets when one is run.
"""
