"""The models that qcode knows: windows, prices, how they call tools, where they run.

```
registry.json ─▶ reading.py ─┐
models.toml (the person's) ──┼─▶ find.py: by any name that a server gives a model ─▶ Model
litellm's own table ─────────┘
```

Nothing here asks a server or imports litellm.
"""

from qcode.models.find import find
from qcode.models.model import Model, Place, Prices, Reasoning, Sampling, Weights

__all__ = ["Model", "Place", "Prices", "Reasoning", "Sampling", "Weights", "find"]
