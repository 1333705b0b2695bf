"""The kernel's means from plain Python: what a process of its own does, with nothing but stdlib."""
