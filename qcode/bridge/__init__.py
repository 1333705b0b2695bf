"""The bridge: what an editor and an interactive session tell each other, over a local socket."""
