"""Where tasks come from: one module a format, each returning `Task`s."""
