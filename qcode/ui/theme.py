"""What a thing is, to how a terminal shows it: colours by background and depth, marks or words.

A style is the names of roles with spaces between (`"heading code"`); what comes later wins.
Colours never carry meaning alone: signs and words do, and `NONE` shows nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Literal, TypeAlias

from qcode.record import Record

Ground: TypeAlias = Literal["dark", "light", "none"]
"""What the text stands on; `none` is for no colours at all."""


class Depth(IntEnum):
    """How many colours a terminal has, as the number of bits that name one."""

    NONE = 0
    SIXTEEN = 4
    MANY = 8
    TRUE = 24


class Theme(Record):
    """How roles look."""

    ground: Ground = "dark"
    depth: Depth = Depth.SIXTEEN
    spoken: bool = False
    """Words instead of signs, for who has the screen read out."""

    @property
    def colour(self) -> bool:
        """Whether there is any style at all."""
        return self.ground != "none" and self.depth > Depth.NONE

    @property
    def tints(self) -> bool:
        """Whether backgrounds can be faint enough to put coloured text on."""
        return self.colour and self.depth is Depth.TRUE

    def code(self, style: str) -> str:
        """Return the numbers that switch a style on, as of `ESC [ … m`; empty for none.

        Raises:
            KeyError: there is no such role.
        """
        return _code(self.ground, self.depth, style)

    def paint(self, safe: str, style: str) -> str:
        """Return safe text in a style, which ends before the line does."""
        code = self.code(style)
        body = safe.rstrip("\n")
        return f"\x1b[{code}m{body}\x1b[0m{safe[len(body) :]}" if code and body else safe

    def mark(self, name: str) -> str:
        """Return a sign, or the word that says the same."""
        sign, word = MARKS[name]
        return word if self.spoken else sign


@lru_cache(maxsize=1000)
def _code(ground: Ground, depth: Depth, style: str) -> str:
    shades = [ROLES[role] for role in style.split()]
    if ground == "none" or depth is Depth.NONE:
        return ""
    return ";".join(code for each in shades if (code := _shade(each, ground, depth)))


def _shade(shades: Shades, ground: Ground, depth: Depth) -> str:
    full, basic = shades.on(ground)
    if depth is Depth.SIXTEEN:
        return basic
    text, _, tint = full.partition(" on ")
    # The nearest of 256 colours is no worse for text and takes half the bytes.
    codes = [shades.attributes, _colour(text, Depth.MANY)]
    if tint:
        codes.append(_colour(tint, depth, background=True))
    return ";".join(code for code in codes if code)


def _colour(name: str, depth: Depth, *, background: bool = False) -> str:
    """Return the codes of `#rrggbb`; loads rich, which knows the nearest of fewer colours."""
    if not name:
        return ""
    from rich.color import Color, ColorSystem

    system = ColorSystem.TRUECOLOR if depth is Depth.TRUE else ColorSystem.EIGHT_BIT
    colour = Color.parse(name).downgrade(system)
    return ";".join(colour.get_ansi_codes(foreground=not background))


class Shades(Record):
    """A role's colours: `#rrggbb`, or `#rrggbb on #rrggbb`, and codes where there are but 16."""

    dark: str = ""
    light: str = ""
    dark_basic: str = ""
    light_basic: str = ""
    attributes: str = ""
    """Codes of bold (1), italic (3) and the like, where colours are many."""

    def on(self, ground: Ground) -> tuple[str, str]:
        """Return the colours and the basic codes on a ground."""
        if ground == "light":
            return self.light, self.light_basic
        return self.dark, self.dark_basic


def _both(attributes: str) -> Shades:
    return Shades("", "", attributes, attributes, attributes)


ROLES: Mapping[str, Shades] = {
    "dim": Shades("#8a8a8a", "#6c6c6c", "2", "2"),
    "accent": Shades("#5fd7d7", "#005f87", "36", "34"),
    "ok": Shades("#87d787", "#006700", "32", "32"),
    "error": Shades("#ff8787", "#af0000", "31", "31"),
    "warning": Shades("#ffd787", "#875f00", "33", "33"),
    "user": Shades("#5fd7d7", "#005f87", "36", "34", "1"),
    # of Markdown
    "heading": Shades("#87afff", "#0000af", "1", "1", "1"),
    "strong": _both("1"),
    "emph": _both("3"),
    "strike": _both("9"),
    "code": Shades("#ffd787", "#870087", "33", "35"),
    "link": Shades("#87afff", "#0000af", "4", "4", "4"),
    "quote": Shades("#b2b2b2", "#4e4e4e", "", ""),
    "bar": Shades("#8a8a8a", "#767676", "2", "2"),
    "bullet": Shades("#5fd7d7", "#005f87", "36", "34"),
    # of code
    "keyword": Shades("#d7afff", "#8700af", "35", "35"),
    "string": Shades("#87d787", "#006700", "32", "32"),
    "comment": Shades("#949494", "#6c6c6c", "2", "2"),
    "number": Shades("#ffaf87", "#af3a00", "36", "34"),
    "name": Shades("#87d7ff", "#005faf", "34", "34"),
    "kind": Shades("#ffd787", "#875f00", "33", "33"),
    # of diffs
    "added": Shades("#87d787", "#006700", "32", "32"),
    "removed": Shades("#ff8787", "#af0000", "31", "31"),
    "added_line": Shades(" on #12301c", " on #e6f7e9"),
    "removed_line": Shades(" on #3b181b", " on #fdeaea"),
    "added_word": Shades(" on #005f00", " on #afd7af", "7", "7"),
    "removed_word": Shades(" on #870000", " on #ffafaf", "7", "7"),
    "gutter": Shades("#8a8a8a", "#6c6c6c", "2", "2"),
    "hunk": Shades("#87afff", "#005f87", "36", "34"),
    "path": _both("1"),
}

MARKS: Mapping[str, tuple[str, str]] = {
    "start": ("●", "start:"),
    "ok": ("✓", "done:"),
    "error": ("✗", "failed:"),
    "again": ("↻", "again:"),
    "output": ("│", ""),
    "more": ("…", "and"),
    "thought": ("∴", "note:"),
    "todo": ("☐", "open:"),
    "doing": ("▶", "doing:"),
    "done": ("☑", "done:"),
    "minus": ("−", "minus "),
    "bar": ("▌", ""),
}
"""Signs, and the words for them."""

NONE = Theme("none", Depth.NONE)


def choose(
    environment: Mapping[str, str],
    ground: Literal["auto", "dark", "light", "none"] = "auto",
    *,
    spoken: bool = False,
) -> Theme:
    """Return the theme for a terminal by what its environment says.

    `spoken` is for screen readers: no colours, and words instead of signs.
    """
    if spoken:
        return Theme("none", Depth.NONE, spoken=True)
    depth = depth_of(environment)
    if ground == "none" or depth is Depth.NONE:
        return NONE
    return Theme(ground_of(environment) if ground == "auto" else ground, depth)


def depth_of(environment: Mapping[str, str]) -> Depth:
    """Return how many colours there are: `NO_COLOR`, `TERM` and `COLORTERM` say it."""
    term = environment.get("TERM", "dumb").lower()
    if environment.get("NO_COLOR") or term in ("", "dumb", "unknown"):
        return Depth.NONE
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in term:
        return Depth.TRUE
    return Depth.MANY if "256" in term or term in _MANY else Depth.SIXTEEN


_MANY = ("alacritty", "xterm-kitty", "xterm-ghostty", "wezterm", "foot")
"""Terminals that have 256 colours at least and do not say so in their name."""


def ground_of(environment: Mapping[str, str]) -> Literal["dark", "light"]:
    """Return what `COLORFGBG` says of the background; dark if it says nothing."""
    last = environment.get("COLORFGBG", "").rpartition(";")[2]
    # 7 and 15 are white; 8 is grey, and what is below 7 is dark enough for light text.
    return "light" if last in ("7", "9", "10", "11", "12", "13", "14", "15") else "dark"
