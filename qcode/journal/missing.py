"""What the model is told of calls whose result is not known."""

NOT_RUN = "Interrupted before it was run; nothing was done. Call it again if it is still wanted."
CUT_SHORT = (
    "Interrupted while it ran; it may have taken effect in part. "
    "Look at the present state before going on."
)
CHANGED = "The person changed this call before allowing it; what was to run:"
UNKNOWN = (
    "What came of it could not be written down, so it is not known whether it was run. "
    "Look at the present state before going on."
)
