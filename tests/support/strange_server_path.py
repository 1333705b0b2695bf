"""Where the strange server's program is; it runs when it is imported, so it is not."""

from __future__ import annotations

from pathlib import Path

PATH = str(Path(__file__).with_name("strange_server.py"))
