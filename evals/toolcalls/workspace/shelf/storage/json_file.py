"""Books in a JSON file."""

import json
import os

from shelf.books import Book


def load_books(path):
    with open(path, encoding="utf-8") as file:
        return [Book(**entry) for entry in json.load(file)]


def save_books(path, books):
    partial = path + ".part"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump([vars(book) for book in books], file, indent=2)
    os.replace(partial, path)
