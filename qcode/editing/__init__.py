"""Edits on text: text in, text or a refusal out; no files."""
