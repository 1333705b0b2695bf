"""Links from what a terminal shows to files: which terminals take them, and what they say; pure.

A link is OSC 8 (`ESC ] 8 ; ; URI ST text ESC ] 8 ; ; ST`), as VTE and iTerm2 began it: it takes no
columns, and terminals that do not know it show the text alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote

from qcode.errors import UsageError
from qcode.record import Record

LONGEST = 2000
"""Characters of an address; VTE drops all of a link that is longer than 2,083."""

FORMATS: Mapping[str, str] = {
    "file": "file://{host}{path}",
    "vscode": "vscode://file{path}:{line}:{column}",
    "vscode-insiders": "vscode-insiders://file{path}:{line}:{column}",
    "vscodium": "vscodium://file{path}:{line}:{column}",
    "cursor": "cursor://file{path}:{line}:{column}",
    "windsurf": "windsurf://file{path}:{line}:{column}",
    "zed": "zed://file{path}:{line}:{column}",
    "idea": "idea://open?file={path}&line={line}&column={column}",
}
"""Names of templates, for what is registered to open them."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_FIELDS = ("path", "line", "column", "host")
_TEMPLATE = re.compile(r"[a-z][a-z0-9+.-]{0,30}:[!-~]{1,500}")
_PROGRAMS = frozenset(
    {"vscode", "iTerm.app", "WezTerm", "ghostty", "Hyper", "Tabby", "rio", "mintty"}
)
"""Values of `TERM_PROGRAM`."""
_TERMS = ("xterm-kitty", "xterm-ghostty", "foot", "alacritty", "wezterm", "contour", "rio")
_VTE = 5000
"""0.50, as `VTE_VERSION` says it: the first one without known crashes by links."""


class Hyperlinks(StrEnum):
    """Whether file names become links."""

    AUTO = "auto"
    """Where the terminal is known to take them."""
    ON = "on"
    OFF = "off"


class Target(Record):
    """Where links lead: the form of their addresses, and this machine's name in them."""

    template: str = FORMATS["file"]
    host: str = ""
    fragment: bool = False
    """Whether the line stands behind a `#` in a `file` address; most openers refuse that."""
    native_lines: bool = False
    """Whether the terminal itself opens `path:line` at the line, unless it is a link."""

    def uri(self, path: str, line: int = 0, column: int = 0) -> str:
        """Return the address of an absolute path; nothing if it would be too long.

        All but letters, digits and `-._~/` is percent-encoded, so that nothing in a name can end
        the link or mean something to who opens it.
        """
        values = {
            "path": quote(os.fsencode(path), safe="/"),
            "line": str(max(line, 1)),
            "column": str(max(column, 1)),
            "host": self.host,
        }
        uri = _FIELD.sub(lambda field: values[field[1]], self.template)
        if self.fragment and line:
            uri += f"#{line}"
        return uri if len(uri) <= LONGEST else ""


def link(text: str, uri: str) -> str:
    """Return safe text as a link; the text itself without an address."""
    return f"\x1b]8;;{uri}\x1b\\{text}\x1b]8;;\x1b\\" if uri else text


def template_of(name: str) -> str:
    """Return the template of a name, or one that was written out.

    Raises:
        UsageError: it is neither.
    """
    if (known := FORMATS.get(name)) is not None:
        return known
    fields = _FIELD.findall(name)
    rest = _FIELD.sub("", name)
    is_sound = _TEMPLATE.fullmatch(name) and "path" in fields and not {"{", "}"} & set(rest)
    if not is_sound or not set(fields) <= set(_FIELDS):
        raise UsageError(
            f"`{name}` is no form of links",
            hint=f"one of {', '.join(FORMATS)}, or a template such as "
            "`vscode://file{path}:{line}:{column}` ({host} is known, too)",
        )
    return name


def takes_links(environ: Mapping[str, str]) -> bool:
    """Return whether a terminal is known to take links, by its environment."""
    term = environ.get("TERM", "dumb").lower()
    if term in ("", "dumb", "unknown", "linux") or "STY" in environ:
        return False
    if (forced := environ.get("FORCE_HYPERLINK")) is not None:
        return forced not in ("", "0", "false")
    program = environ.get("TERM_PROGRAM", "")
    if "TMUX" in environ:
        # Older ones print the address. tmux passes links on where what is around it takes them.
        return program == "tmux" and _version(environ.get("TERM_PROGRAM_VERSION", "")) >= (3, 4)
    if environ.get("TERMINAL_EMULATOR") == "JetBrains-JediTerm":
        return False  # it opens `path:line` by itself
    if program in _PROGRAMS or term.startswith(_TERMS):
        return True
    vte = environ.get("VTE_VERSION", "")
    return (
        any(name in environ for name in ("WT_SESSION", "KITTY_WINDOW_ID", "DOMTERM"))
        or (vte.isdecimal() and int(vte) >= _VTE)
        or environ.get("KONSOLE_VERSION", "").isdecimal()
    )


def target_of(environ: Mapping[str, str], form: str, host: str) -> Target:
    """Return where links lead from a terminal.

    Raises:
        UsageError: `form` is neither the name of a template nor one.
    """
    template = template_of(form)
    distribution = environ.get("WSL_DISTRO_NAME", "")
    if distribution and "WT_SESSION" in environ:
        # The opener is a Windows program, which reaches these files as a share.
        host = f"wsl.localhost/{quote(distribution, safe='')}"
    else:
        host = quote(host, safe="")
    is_file = form == "file"
    return Target(
        template,
        host,
        fragment=is_file and "KITTY_WINDOW_ID" in environ,
        native_lines=is_file and environ.get("TERM_PROGRAM") == "vscode",
    )


def _version(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
