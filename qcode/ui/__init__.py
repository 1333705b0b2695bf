"""Consumers of a turn's events: plain text, JSON lines, the terminal."""
