"""What a person points at with `@`: files, directories, git, symbols, pages, images."""
