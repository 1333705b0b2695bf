from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from effort import unit_s
from hypothesis import given
from hypothesis import strategies as st

import qcode
from qcode.secrets import MARK, Masker, StreamMasker, known_in, looks_secret

BODY = "\n".join("".join(random.Random(line).choices("ABCDabcd0123+/", k=64)) for line in range(3))
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\nq8x=\n-----END RSA PRIVATE KEY-----"
TOKENS = [
    "sk-" + "a1b2" * 8,
    "sk-ant-" + "api03-" + "Ab1_" * 8,
    "sk-proj-" + "x9" * 20,
    "sk_live_" + "a1b2" * 6,
    "ghp_" + "A1b2" * 9,
    "ghs_" + "A1b2" * 9,
    "github_pat_" + "11ABC_" * 8,
    "AKIA" + "ABCD1234EFGH5678",
    "ASIA" + "ABCD1234EFGH5678",
    "AIza" + "Sy_-4" * 7,
    "xoxb-" + "1234567890-abcdef",
    "glpat-" + "x_Y-1" * 4,
    "hf_" + "aBcDeFgHiJ" * 4,
    "npm_" + "a1B2c3" * 6,
    "pypi-" + "AgEIcHlwaS5vcmc" * 5,
    "dop_v1_" + "0a1b" * 16,
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "c2lnbmF0dXJlLWhlcmU",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "key = '{}'\n", "a {} b", r"'a\n{}\n'", "KEY={}&x", '{{"k": "{}"}}']
)
def test_keys_are_masked_wherever_they_stand(token: str, around: str) -> None:
    text = around.format(token)

    masked = Masker().mask(text)

    assert token[8:] not in masked
    assert len(MARK.findall(masked)) == 1
    before, _, after = around.format("|").partition("|")
    assert masked.startswith(before)
    assert masked.endswith(after)


@pytest.mark.parametrize(
    "text",
    [
        "task-1234567890123456789",
        "class='sk-folding-cube-animation-long-name'",
        "hf_hub_download(repository_with_long_name)",
        "http://host:80/a@b",
        "ssh://git@host/x",
        "https://{user}:{password}@host/",
        "https://user:$PASSWORD@host/",
        "postgres://user:password@localhost/db",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "npm_config_cache npm_lifecycle_event_name_that_is_long",
        "if key.startswith('-----BEGIN PRIVATE KEY-----'):\n    return load(key)\n",
        "AKIAs are keys; eyJ begins a token; ghost_writer_of_long_functions",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Masker().mask(text) == text


def test_the_password_in_an_address_is_masked_and_the_rest_stays() -> None:
    masked = Masker().mask("postgres://me:s3cr3t!x@db.test/app and redis://:0therOne@h\n")

    assert masked == "postgres://me:[masked: login]@db.test/app and redis://:[masked: login]@h\n"


def test_a_private_key_loses_its_lines_but_not_their_number() -> None:
    masked = Masker().mask(f"before\n{PEM}\nafter\n")

    assert masked.splitlines() == [
        "before",
        "-----BEGIN RSA PRIVATE KEY-----",
        *["[masked: key]"] * 4,
        "-----END RSA PRIVATE KEY-----",
        "after",
    ]


def test_a_private_key_is_masked_behind_line_numbers_in_json_and_cut_off() -> None:
    numbered = "".join(f"{n:>5}\t{line}\n" for n, line in enumerate(PEM.splitlines()))
    for text in (numbered, json.dumps({"key": PEM}), PEM[:-90]):
        masked = Masker().mask(text)

        assert not any(line in masked for line in BODY.splitlines())
        assert "q8x=" not in masked
        assert "-----BEGIN RSA PRIVATE KEY-----" in masked


def test_what_follows_a_begin_without_a_key_stays() -> None:
    text = "x = '-----BEGIN PRIVATE KEY-----'\n" + "\n".join(
        f"def function_{n}(): return 1" for n in range(12)
    )
    text += f"\n# {'aB3' * 20}\n"

    assert Masker().mask(text) == text


def test_known_values_are_masked_unless_they_are_short() -> None:
    masker = Masker(["correct horse", "battery-staple", "short", "battery-staple-2"])

    assert masker.mask("a correct horse, battery-staple-2x, battery-staple, short") == (
        "a [masked: secret], [masked: secret]x, [masked: secret], short"
    )


@given(
    st.lists(st.sampled_from([*TOKENS, PEM, " ", "\n", "x", "-", "://a:b1@c", "sk-"]), max_size=8)
)
def test_masking_twice_is_masking_once(parts: list[str]) -> None:
    masker = Masker(["a known secret"])
    text = "".join([*parts, "a known secret"])

    masked = masker.mask(text)

    assert masker.mask(masked) == masked
    assert masked.count("\n") == text.count("\n")


@given(
    st.lists(
        st.sampled_from(
            [
                *TOKENS,
                PEM + "\n",
                "\n",
                " words ",
                "a known secret",
                "x://a:b1@c",
                "task-1234567890123456789",
                "known-with-no-space",
                "g",
                "ghp",
                "s",
                "-----B",
                "http:/",
            ]
        ),
        max_size=8,
    ),
    st.randoms(),
)
def test_a_stream_comes_to_the_same_however_it_is_cut(
    parts: list[str], chance: random.Random
) -> None:
    text = "".join(part + chance.choice(["", " ", " "]) for part in parts)
    masker = Masker(["a known secret", "known-with-no-space"])
    stream = StreamMasker(masker)
    shown = ""
    at = 0
    while at < len(text):
        size = chance.choice([1, 2, 5, 30, 200])
        shown += stream.feed(text[at : at + size])
        at += size

    shown += stream.flush()

    assert shown == masker.mask(text)


def test_a_stream_holds_back_only_a_word_that_may_become_a_secret() -> None:
    stream = StreamMasker(Masker())

    assert stream.feed("compiling a.c ... ") == "compiling a.c ... "
    assert stream.feed("s") == ""
    assert stream.feed("u") == "su"
    assert stream.feed("re, ta") == "re, ta"
    assert stream.feed("sk-1234567890123456789\n") == "sk-1234567890123456789\n"
    assert stream.feed("sk-12345678") == ""
    assert stream.feed("90123456789\n") == "[masked: sk-…]\n"


def test_a_word_without_end_is_given_out_but_never_a_key_in_it() -> None:
    stream = StreamMasker(Masker())
    token = "ghp_" + "A1b2" * 9

    shown = (
        stream.feed("=" + "a=" * 5000 + token) + stream.feed(token[4:] + " end") + stream.flush()
    )

    assert token[10:] not in shown
    assert shown.endswith(" end")


def test_the_sources_of_qcode_have_no_keys() -> None:
    masker = Masker()
    found = [
        path.name
        for path in Path(qcode.__file__).parent.rglob("*.py")
        if masker.mask(path.read_text()) != path.read_text()
    ]

    assert found == []


@pytest.mark.parametrize(
    "piece",
    [
        "the quick brown fox\n", "sk-", "sk-a", "://a:", "://", "eyJ", "gh", "AKIA", "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n", "eyJaaaaaaaaa.", "é sk- ",
    ],
)  # fmt: skip
def test_the_time_grows_with_the_text_only(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    stream = StreamMasker(Masker(["a known secret"]))
    begin = time.thread_time()

    Masker().mask(text)
    for at in range(0, len(text), 4096):
        stream.feed(text[at : at + 4096])
    stream.flush()

    assert time.thread_time() - begin < 200 * unit_s()  # where it grew with the square, thousands


@pytest.mark.parametrize(
    "name, value, is_secret",
    [
        ("STRIPE_KEY", "s", True),
        ("api_key", "s", True),
        ("My_Secret", "s", True),
        ("TOKEN", "s", True),
        ("OPENAI_BASE_URL", "s", True),
        ("DB_PASS", "s", True),
        ("SESSION_COOKIE", "s", True),
        ("A", "sk-" + "a1b2" * 8, True),
        ("DATABASE_URL", "postgres://me:pass@host/db", True),
        ("AUTHOR", "me", False),
        ("GIT_AUTHOR_NAME", "me", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("KEYBOARD", "de", False),
        ("COMPASS", "north", False),
        ("LINK", "http://host:80/a@b", False),
    ],
)
def test_variables_that_look_secret(name: str, value: str, is_secret: bool) -> None:
    assert looks_secret(name, value) is is_secret


@pytest.mark.parametrize(
    "name, value, is_masked",
    [
        ("OPENAI_API_KEY", "QSECRET-openai", True),
        ("GITHUB_TOKEN", "QSECRET-token", True),
        ("MY_PASSWORD", "Tr0ub4dor", True),
        ("DB_PASS", "Tr0ub4dor", True),
        ("TOKEN", "QSECRET-token", True),
        ("AWS_ACCESS_KEY_ID", "QSECRETID", True),
        ("DATABASE_URL", "postgres://me:Tr0ub4dor@host/db", True),
        ("AWS_REGION", "eu-central-1", False),
        ("OPENAI_BASE_URL", "http://localhost:8080/v1", False),
        ("QCODE_BASE_URL", "http://localhost:8080/v1", False),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json", False),
        ("API_KEY", "ollama", False),
        ("DEMO_API_KEY", "not-needed", False),
        ("MAX_TOKEN", "100000000", False),
        ("PATH", "/usr/bin:/bin", False),
    ],
)
def test_of_the_environment_only_what_is_a_secret_itself_is_masked(
    name: str, value: str, is_masked: bool
) -> None:
    assert known_in({name: value}) == [value] * is_masked
