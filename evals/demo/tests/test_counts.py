import unittest

from wordstats import count_words, most_common


class CountsTest(unittest.TestCase):
    def test_each_word_is_counted(self):
        self.assertEqual(
            count_words("The cat saw the dog."), {"the": 2, "cat": 1, "saw": 1, "dog": 1}
        )

    def test_no_text_has_no_words(self):
        self.assertEqual(count_words(""), {})

    def test_most_common_comes_first(self):
        self.assertEqual(most_common({"a": 1, "b": 3, "c": 3}, 2), [("b", 3), ("c", 3)])


if __name__ == "__main__":
    unittest.main()
