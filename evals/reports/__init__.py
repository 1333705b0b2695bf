"""Results told: figures, tables, pages; pure but for writing the files."""
