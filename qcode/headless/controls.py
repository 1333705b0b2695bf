"""What a driver asks of the session itself, and the answers (see `driving`)."""

from __future__ import annotations

from collections.abc import Callable

from qcode.errors import QcodeError
from qcode.headless.driving import Control, Interrupt
from qcode.messages import JsonObject
from qcode.permissions import Mode

_MODES = {
    "acceptEdits": Mode.AUTO_EDIT,
    "bypassPermissions": Mode.YOLO,
    **{mode.value: mode for mode in Mode},
}
"""Claude Code's words for modes, and qcode's, which are Qwen Code's."""

_EMPTY: dict[str, JsonObject] = {
    "initialize": {"commands": [], "models": [], "agents": [], "output_style": "default"},
    "supported_commands": {"commands": []},
    "mcp_status": {"mcpServers": []},
    "mcp_server_status": {"mcpServers": []},
}
"""What is asked for and not there: there is none of it."""


def follow(
    request: Control | Interrupt,
    *,
    interrupt: Callable[[], bool],
    set_mode: Callable[[Mode], None],
) -> JsonObject:
    """Do what is asked; return what is answered.

    `interrupt` ends the turn under way, if there is one. What a driver registers with
    `initialize` (hooks, agents, servers) is not there, and it is refused rather than left out:
    a hook that never runs would be a guard that is missing.

    Raises:
        QcodeError: it cannot be done.
    """
    if isinstance(request, Interrupt):
        return {"interrupted": interrupt()}
    if request.subtype == "set_permission_mode":
        mode = _MODES.get(str(request.request.get("mode")))
        if mode is None:
            raise QcodeError(f"no such mode; there are: {', '.join(_MODES)}")
        set_mode(mode)
        return {"mode": mode.value}
    if request.subtype == "initialize":
        names = ("hooks", "agents", "sdkMcpServers", "mcpServers", "sdk_mcp_servers")
        if wanted := [name for name in names if request.request.get(name)]:
            raise QcodeError(f"qcode has no {', '.join(wanted)} to be given by a driver")
    if request.subtype in _EMPTY:
        return _EMPTY[request.subtype]
    raise QcodeError(f"qcode does not know the request `{request.subtype[:40]}`")
