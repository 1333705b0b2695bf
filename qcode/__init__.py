"""QCode: an agentic coding assistant for the terminal, and for programs (`qcode.api`)."""

__version__ = "0.1.0"

# What `typing` says too, without its 10 ms: all that starts imports this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from qcode.api import Agent as Agent
    from qcode.api import tool as tool

_OF_THE_API = ("Agent", "tool")


def __getattr__(name: str) -> object:
    """Import what programs use of qcode when they do."""
    if name in _OF_THE_API:
        from importlib import import_module

        return getattr(import_module("qcode.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
