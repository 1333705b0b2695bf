"""Opening a page in the person's browser, where there is a screen to show it on."""

from __future__ import annotations

import os
import sys

from qcode.network import guard
from qcode.sandbox.plain import feed


def open_page(url: str) -> bool:
    """Open a web address; return whether something took it. Never waits long, never raises."""
    if guard.is_offline():
        return False  # a browser reaches what it likes
    if not url.startswith(("http://", "https://")):
        return False  # an address that a server names must not open a file or start a program
    if sys.platform == "darwin":
        opener = "open"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        opener = "xdg-open"
    else:
        return False
    return feed([opener, url], b"", env=dict(os.environ), timeout_s=5.0)
