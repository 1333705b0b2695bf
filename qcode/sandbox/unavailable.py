"""What a tier raises that does not work on this machine."""

from __future__ import annotations


class Unavailable(Exception):
    """A means of confinement cannot be had here; the text says why, for a person."""
