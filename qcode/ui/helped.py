"""The keys of the interactive session, as `/help` tells them; bound in `qcode.ui.keys`."""

from __future__ import annotations

KEYS = (
    ("Enter", "sends; while the model works, it hears the message before its next step"),
    ("Alt-Enter, Ctrl-J", "starts a new line"),
    ("Esc", "interrupts the model; twice: goes back to an earlier message"),
    ("Ctrl-C", "interrupts the model, or clears the line, or, twice, leaves"),
    ("Ctrl-D", "leaves"),
    ("Shift-Tab", "goes to the next approval mode"),
    (
        "Tab",
        "completes paths behind `@` and commands behind `/`; while the model works, sends later",
    ),
    ("Up, Ctrl-R", "earlier messages, searching in them"),
    ("Ctrl-G", "writes the message in $EDITOR"),
    ("Ctrl-V", "points at the picture in the clipboard"),
    ("Ctrl-O", "shows what was folded last: output, or what the model thought"),
    ("Ctrl-Z", "puts qcode to sleep"),
)
"""Keys and what they do."""
