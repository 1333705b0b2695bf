"""Searching files for a tool, by ripgrep or without it, as the session lets tools read."""

from __future__ import annotations

import re
from functools import cache

from qcode.errors import SandboxError, ToolError
from qcode.tools import ripgrep, search
from qcode.tools.base import Context
from qcode.tools.clip import clip


async def searched(query: search.Query, context: Context) -> search.Found:
    """Return what a search finds, hidden files left out.

    Raises:
        ToolError: the pattern cannot be read or takes too long, or nothing can search.
    """
    program = ripgrep.find_ripgrep(
        context.launcher.environment.get("PATH", ""), context.workspace.root
    )

    environment = dict(context.launcher.environment)

    @cache
    def is_hidden(path: str) -> bool:
        return context.is_hidden(query.root / path)

    if program:
        try:
            return await ripgrep.with_ripgrep(
                program, query, environment, start=context.launcher.start, is_hidden=is_hidden
            )
        except search.BadPattern as error:
            try:
                search.compiled(query.pattern)
            except search.BadPattern:
                raise _bad_pattern(query.pattern, str(error)) from None
            # Python's expressions can more (look-around, back references): search with those.
        except (OSError, SandboxError):
            pass  # an rg that cannot be run is as good as none
    try:
        start = context.launcher.start
        return await search.with_python(query, environment, start=start, is_hidden=is_hidden)
    except SandboxError as error:
        raise ToolError(f"The search was not run: {error}.") from error
    except search.BadPattern as error:
        raise _bad_pattern(query.pattern, str(error)) from None
    except search.TooSlow:
        raise ToolError(
            "The pattern takes too long; simplify it: no repetition inside a repetition, "
            "such as (a+)+, and no look-around."
        ) from None
    except OSError as error:
        raise ToolError(
            f"The search could not be run ({error}). Use a shell command such as grep."
        ) from error


def _bad_pattern(pattern: str, problem: str) -> ToolError:
    return ToolError(
        f"{clip(pattern)!r} is no valid regular expression: {clip(problem)}. To search for that "
        f"very text, escape it: {clip(re.escape(pattern))}"
    )
