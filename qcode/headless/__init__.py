"""Work without a person: a task taken to its evidence, and what is told of it at the end."""
