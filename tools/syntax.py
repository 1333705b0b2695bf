"""Whether a write would break a file's syntax."""

from __future__ import annotations

from qcode.errors import ToolError

_LARGEST = 1_000_000
"""Characters up to which a file is parsed."""


def check(name: str, before: str, after: str) -> None:
    """Refuse a change after which a Python file that parsed would not any more.

    Raises:
        ToolError: it would not; nothing has been written yet.
    """
    if not _is_python(name, after):
        return
    problem = _python(after)
    if problem and not _python(before):
        raise ToolError(
            f"Refused: {name} would no longer parse ({problem}), so it was not changed. "
            "Call again with correct code."
        )


def warning(name: str, content: str) -> str:
    """Return a warning if a new Python file does not parse."""
    if not _is_python(name, content):
        return ""
    problem = _python(content)
    return f"\nWarning: {name} does not parse: {problem}. Fix that next." if problem else ""


def _is_python(name: str, content: str) -> bool:
    return name.endswith((".py", ".pyi")) and len(content) <= _LARGEST


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
