import unittest

from wordstats import sentences, split_words


class WordsTest(unittest.TestCase):
    def test_punctuation_and_case_are_dropped(self):
        self.assertEqual(split_words("It's late, Anna!"), ["it's", "late", "anna"])

    def test_sentences_end_with_their_mark(self):
        self.assertEqual(sentences("One. Two? Three"), ["One.", "Two?", "Three"])


if __name__ == "__main__":
    unittest.main()
