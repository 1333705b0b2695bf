"""What a session changed, put where others get it: a commit, a patch."""
