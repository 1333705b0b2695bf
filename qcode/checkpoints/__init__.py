"""The states of the workspace's files as git objects: a time machine beside the history."""
