"""The models that qcode knows: windows, prices, how they call tools, where they run.

```
registry.json ─▶ reading.py ─┐
models.toml ─▶ own.py ───────┼─▶ find.py: by any name that a server gives a model ─▶ Model
litellm's file ─▶ table.py ──┘
```

`naming.py` says which names are the same; `renewing.py` takes prices over from litellm's table and
holds the registry against it. Nothing here asks a server or imports litellm.
"""

from qcode.models.find import every, find, find_own, says
from qcode.models.model import Model, Place, Prices, Reasoning, Sampling, Weights

__all__ = [
    "Model",
    "Place",
    "Prices",
    "Reasoning",
    "Sampling",
    "Weights",
    "every",
    "find",
    "find_own",
    "says",
]
