"""What a shell command would do, as far as it can be told without running it; pure."""
