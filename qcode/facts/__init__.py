"""What sessions found out about a project: which commands test, lint and build it."""
