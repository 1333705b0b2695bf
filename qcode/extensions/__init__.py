"""What people add to qcode: where it stands, and whether a project's own may be used."""
