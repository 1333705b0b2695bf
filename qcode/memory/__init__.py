"""Instruction files: found up the tree, with what they import, told to the model."""
