from __future__ import annotations

import random
import string

import pytest

from qcode.mentions.haystack import _PIECE, MOST, Haystack, last_part


@pytest.mark.parametrize(
    "typed, texts",
    [
        # Each list is what is found, in this order, whatever the order of the haystack is.
        ("app", ["app.py", "src/apply.py", "src/my_app.py", "wrapper.py", "app/x.py", "a/p/up"]),
        ("index", ["src/index/", "index.ts", "reindex.ts", "index/deep.ts"]),
        ("tu", ["tui.py", "test_ui.py", "statue.py"]),
        ("ic", ["ic.go", "InlineCode.go", "basic.go"]),
        ("src/st", ["src/store.py", "lib/src/store.py", "source/cast.py"]),
        ("NaT", ["NameTable", "nothing_at_all", "renameAllTables"]),
        ("App", ["App.tsx", "app.tsx"]),
    ],
)
def test_names_come_before_beginnings_of_words_and_those_before_the_rest(
    typed: str, texts: list[str]
) -> None:
    assert Haystack(texts[::-1]).find(typed, 40) == texts


def test_what_does_not_have_the_letters_in_order_is_not_found() -> None:
    haystack = Haystack(["src/store.py", "É/été.py", "odd\nname.py", "a.b*c"])

    assert haystack.find("ots", 9) == []
    assert haystack.find("ÉTÉ", 9) == ["É/été.py"]
    assert haystack.find("d name", 9) == ["odd\nname.py"]
    assert haystack.find(".*", 9) == ["a.b*c"]
    assert haystack.find("qqq", 9) == []
    assert Haystack([]).find("a", 9) == []


def test_equally_good_ones_stand_as_they_were_given() -> None:
    texts = ["b/part.py", "a/part.py", "c/part.py"]

    assert Haystack(texts).find("part", 9) == texts
    assert Haystack(texts).find("", 2) == texts[:2]


def test_searching_while_typing_finds_what_searching_at_once_finds() -> None:
    rng = random.Random(7)
    texts = sorted({"".join(rng.choices("abc/_", k=rng.randint(3, 9))) for _ in range(300)})
    for _ in range(200):
        needle = "".join(rng.choices("abc", k=4))
        typing = Haystack(texts)
        for end in range(1, len(needle)):
            typing.find(needle[:end], 40)

        found = typing.find(needle, 40)

        assert found == Haystack(texts).find(needle, 40)
        letters = [iter(text) for text in texts]
        fitting = {t for t, it in zip(texts, letters, strict=True) if all(c in it for c in needle)}
        assert set(found) <= fitting
        assert len(found) == min(40, len(fitting))


def test_one_of_very_many_is_found() -> None:
    rng = random.Random(1)
    words = ["".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(40)]
    many = [f"{rng.choice(words)}/{rng.choice(words)}{n}.py" for n in range(20_000)]

    assert Haystack([*many, "lib/zq_needle.py"]).find("zqneed", 5) == ["lib/zq_needle.py"]
    assert len(Haystack(many).find("a", MOST * 2)) >= MOST


def test_a_piece_ends_where_a_line_does() -> None:
    texts = [f"{'x' * 97}{n:05}/b9" for n in range(3 * _PIECE // 100)]

    for number in range(0, len(texts), 997):
        assert Haystack(texts).find(f"x{number:05}b9", 5) == [texts[number]]


@pytest.mark.parametrize(
    "path, last", [("a/b.py", "b.py"), ("a/b/", "b/"), ("b", "b"), ("", ""), ("/", "/")]
)
def test_the_last_part_of_a_directory_keeps_its_slash(path: str, last: str) -> None:
    assert last_part(path) == last
