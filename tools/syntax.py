"""Whether a write broke a file's syntax: a warning for the model, never a refusal."""

from __future__ import annotations

_LARGEST = 1_000_000
"""Characters up to which a file is parsed."""


def warning(name: str, before: str | None, after: str) -> str:
    """Return a warning if a Python file parsed before (or is new) and does not any more."""
    if not name.endswith((".py", ".pyi")) or len(after) > _LARGEST:
        return ""
    problem = _python(after)
    if not problem or (before is not None and _python(before)):
        return ""
    verb = "does not parse" if before is None else "no longer parses"
    return f"\nWarning: {name} {verb}: {problem}. Fix that next."


def _python(text: str) -> str:
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return ""
