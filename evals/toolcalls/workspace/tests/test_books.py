import unittest

from shelf.books import Book, find_book, valid_isbn


class BooksTest(unittest.TestCase):
    def test_words_are_found_in_any_order(self):
        books = [Book("The Left Hand of Darkness", "Ursula K. Le Guin"), Book("Dune", "F. Herbert")]
        self.assertEqual(find_book(books, "darkness left"), books[:1])

    def test_isbn_may_have_dashes(self):
        self.assertTrue(valid_isbn("0-441-47812-3"))
        self.assertFalse(valid_isbn("12"))
