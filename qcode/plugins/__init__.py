"""Tools and providers of installed packages, by entry points; those alone that a person named."""
