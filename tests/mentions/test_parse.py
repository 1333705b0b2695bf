from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qcode.mentions.parse import Mention, mentions


def read(text: str) -> list[str]:
    """Return mentions in short: kind, value and lines."""
    return [
        f"{m.kind} {m.value}" + (f" {m.first}-{m.last}" if m.first else "") for m in mentions(text)
    ]


@pytest.mark.parametrize(
    "text, found",
    [
        ("fix @src/app.py please", ["path src/app.py"]),
        ("@a.py, (@b.py) and [@c.py]: see @d.py.", ["path a.py", "path b.py", "path c.py",
                                                     "path d.py"]),
        ("@a.py,@b.py", ["path a.py", "path b.py"]),
        ("twice @a.py @a.py", ["path a.py"]),
        ("@src/ and @./x and @../y and @~/z", ["path src/", "path ./x", "path ../y", "path ~/z"]),
        ("@a.py:10-20 @a.py:7 @a.py#L3-L5 @a.py:9-2", ["path a.py 10-20", "path a.py 7-7",
                                                      "path a.py 3-5", "path a.py 2-9"]),
        ("@a.py:10.", ["path a.py 10-10"]),
        ('see @"my file.txt" and @"b c.py":3-4!', ["path my file.txt", "path b c.py 3-4"]),
        (r"@my\ file.txt now", ["path my file.txt"]),
        ("@app/[id]/(group)/page.tsx", ["path app/[id]/(group)/page.tsx"]),
        ("(see @app/(group)/page.tsx)", ["path app/(group)/page.tsx"]),
        ("@.github/workflows/ci.yml", ["path .github/workflows/ci.yml"]),
        ("über @größe.py", ["path größe.py"]),
        ("review @git:diff, @git:staged and @git:HEAD~1 or @git:v1..main", [
            "git diff", "git staged", "git HEAD~1", "git v1..main"]),
        ("why @symbol:Session.send?", ["symbol Session.send"]),
        ("@https://example.org/a?b=c#d, and @http://localhost:8000/.", [
            "url https://example.org/a?b=c#d", "url http://localhost:8000/"]),
        ("@ftp://example.org", ["path ftp://example.org"]),
        ("me@example.org, foo.bar@example.org", []),
        ("a@b @ c @@d @", []),
        ("`@a.py` and ``x @b.py``", []),
        ("```py\n@pytest.fixture\ndef f(): ...\n```\n@c.py", ["path c.py"]),
        ("@pytest.fixture\ndef f(): ...", []),
        ("  @app.route('/x')\n  @login\n  async def f(): ...", []),
        ("@a.py\nclassify it", ["path a.py"]),
        ("@git: @symbol: @https:// @\"\"", []),
    ],
)  # fmt: skip
def test_mentions_are_read(text: str, found: list[str]) -> None:
    if text.startswith("@git: "):
        assert all(m.kind == "path" for m in mentions(text))
    else:
        assert read(text) == found


def test_a_mention_knows_how_it_was_written() -> None:
    assert mentions("look at @a.py:3.") == (Mention("path", "a.py", 3, 3, "@a.py:3"),)


NAMES = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_./-]{0,20}[A-Za-z0-9_-])?", fullmatch=True)


@given(name=NAMES, before=st.sampled_from(["", "see ", "(", '"', "\n", "— "]),
       after=st.sampled_from(["", ".", ", and", ") ", "?!", '"', "\n"]))  # fmt: skip
def test_a_path_is_found_in_any_sentence(name: str, before: str, after: str) -> None:
    name = name.rstrip("_")
    if not name or name.endswith("."):
        return

    assert [m.value for m in mentions(f"{before}@{name}{after}")] == [name]


@given(name=st.text(st.characters(blacklist_characters='"\n`@', blacklist_categories=["Cs", "Cc"]),
                    min_size=1, max_size=40).filter(lambda n: "<!--" not in n))  # fmt: skip
def test_any_name_can_be_quoted(name: str) -> None:
    assert [m.value for m in mentions(f'about @"{name}" say')] == [name]


@given(name=NAMES)
def test_nothing_in_code_or_in_an_address_is_one(name: str) -> None:
    assert mentions(f"`@{name}` x@{name} ``a ` @{name}``") == ()


@example('@"`1`"')
@given(st.text(st.sampled_from('@"`:/.-a1 \n()[]\\#L~<!>,g'), max_size=120))
def test_any_text_is_read_and_mentions_stand_in_it(text: str) -> None:
    for mention in mentions(text):
        assert mention.written in text
        assert mention.first <= mention.last


def test_a_text_made_to_be_slow_is_not() -> None:
    start = time.monotonic()
    for hostile in ("@" * 200_000, "@a " * 60_000, '@"' * 100_000, "@a:1" * 50_000, "@(" * 90_000):
        mentions(hostile)

    assert time.monotonic() - start < 10
