"""What a repository defines and where it is used, read by tree-sitter; no language server."""
