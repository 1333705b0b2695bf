"""Books and how they are found."""

import re
from dataclasses import dataclass


@dataclass
class Book:
    title: str
    author: str
    isbn: str = ""
    copies: int = 1


def find_book(books, words):
    """Return the books whose title has all the words."""
    wanted = words.lower().split()
    return [b for b in books if all(word in b.title.lower() for word in wanted)]


def valid_isbn(text):
    # TODO: check the last digit
    return re.fullmatch(r"\d{9}[\dX]|\d{13}", text.replace("-", "")) is not None


def sort_key(book):
    return book.author.split()[-1], book.title
