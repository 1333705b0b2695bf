from __future__ import annotations

from qcode.showing.approach import described, without_bodies

FILE = '''def plain(x):
    return x


def mean(values):
    """Average of the values."""
    total = sum(values)
    return total / 0


class Box:
    def area(self, a, b):
        """Area of the box."""
        return a + b

    def empty(self):
        """Only described."""
'''


def test_functions_that_say_what_they_do_can_be_written_anew() -> None:
    assert described(FILE, {"plain", "mean", "area", "empty"}) == ("mean", "area")
    assert described(FILE, {"other"}) == ()
    assert described("def f(:", {"f"}) == ()


def test_their_bodies_are_left_out_and_the_rest_stays() -> None:
    text = without_bodies(FILE, ("mean", "area"))

    assert text == FILE.replace(
        "    total = sum(values)\n    return total / 0\n", "    raise NotImplementedError\n"
    ).replace("        return a + b\n", "        raise NotImplementedError\n")
    assert without_bodies(FILE, ()) == FILE


def test_functions_in_others_tabs_and_form_feeds_are_no_matter() -> None:
    text = (
        '\x0c\ndef outer():\n\t"""Outer."""\n\tdef inner():\n\t\t"""Inner."""\n\t\treturn 1\n'
        "\treturn inner()\n\n\ndef other():\n\treturn 2\n"
    )

    assert without_bodies(text, ("outer", "inner")) == (
        '\x0c\ndef outer():\n\t"""Outer."""\n\traise NotImplementedError\n'
        "\n\ndef other():\n\treturn 2\n"
    )


def test_where_none_says_what_it_does_the_tests_say_it() -> None:
    text = (
        "class Box:\n    def put(self, x):\n        self.x = x\n        return self\n\n"
        "    def get(self): return self.x\n\n\ndef wide(\n    a,\n    b): return a\n"
    )

    assert described(text, {"put", "get", "other"}) == ("put", "get")
    assert without_bodies(text, ("put", "get", "wide")) == text.replace(
        "        self.x = x\n        return self\n", "        raise NotImplementedError\n"
    )
