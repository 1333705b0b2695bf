"""What an edit would make of files, found out for the person who is asked about it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from qcode.approvals import ApprovalRequest
from qcode.errors import ToolError
from qcode.record import replace as modified
from qcode.tools.base import Context, Tool

log = logging.getLogger(__name__)


async def with_effects(
    request: ApprovalRequest, tool: Tool[Any], params: Any, context: Context, paths: Iterable[str]
) -> ApprovalRequest:
    """Return the question with what the call would change, or why it could not be done.

    Nothing is written, and the model hears nothing of it; so the paths that a yes would
    allow are read as if there had been one already.
    """
    reals = {context.workspace.resolve(path) for path in paths}
    as_if = replace(
        context,
        allowed_outside=context.allowed_outside | reals,
        allowed_hidden=context.allowed_hidden | reals,
        allowed_writing=context.allowed_writing | reals,
    )
    try:
        files = await tool.preview(params, as_if)
    except ToolError as error:
        return modified(request, trouble=str(error).split("\n", 1)[0])
    except Exception as error:
        # A bug here must not keep the person from deciding; the call will meet it again.
        log.exception("preview of %s crashed", tool.name)
        return modified(request, trouble=f"{type(error).__name__}: {error}")
    if files is None:
        return request
    if not any(file.before != file.after or file.moved_from for file in files):
        return modified(request, trouble="there is nothing to change")
    return modified(request, files=tuple(files))
