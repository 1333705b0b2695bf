"""`models.toml`: the person's own models, and figures that are others for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qcode import paths
from qcode.errors import UsageError
from qcode.models import every, find, find_own, says
from qcode.providers.protocol import first_protocol
from qcode.providers.styles import style_for
from qcode.vision import sees_images


def write(text: str) -> Path:
    file = paths.models_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))  # two writes may share a moment
    return file


def test_without_a_file_there_are_none() -> None:
    assert find_own("qwen3-coder-next") is None


def test_a_model_of_ones_own_is_found_by_its_names() -> None:
    file = write(
        '[My-Coder]\nbase_url = "http://10.0.0.5:8000/v1"\nserved_as = "coder-v7"\n'
        'context_window = 65536\naliases = ["house coder"]\n[My-Coder.prices]\n'
        "input = 0.2\noutput = 1\n"
    )

    found = find("my-coder")

    assert found is not None
    assert (found.name, found.context_window, found.base_url) == (
        *("My-Coder", 65536, "http://10.0.0.5:8000/v1"),
    )
    assert found.prices is not None
    assert (found.prices.input, found.prices.source) == (0.2, str(file))
    assert find("coder-v7") == find("House-Coder") == found
    assert every()["my-coder"] == found


def test_figures_of_a_known_model_are_laid_over_it() -> None:
    write('["claude-opus-4.6"]\nmax_output = 4096\n["claude-opus-4.6".prices]\ninput = 4\n')

    found = find("us.anthropic.claude-opus-4-6-v1:0")

    assert found is not None
    assert found.prices is not None
    assert (found.id, found.max_output, found.prices.input) == ("claude-opus-4.6", 4096, 4)
    assert (found.prices.output, found.context_window) == (25.0, 1_000_000)
    assert found.own == ("max_output", "prices")
    assert every()["claude-opus-4.6"] == found


def test_what_is_served_by_a_known_name_is_known() -> None:
    write('[mine]\nserved_as = "Qwen3-Coder-Next-FP8"\ncontext_window = 100000\n')

    found = find("mine")

    assert found is not None
    assert (found.id, found.call_format, found.context_window) == ("mine", "qwen3-coder", 100_000)
    assert found.places == ()


def test_qcode_does_as_the_file_says() -> None:
    write('[mine]\nprotocol = "prompted"\ncall_format = "glm"\nsees_images = true\n[bare]\n')

    assert (first_protocol("mine"), style_for("mine"), sees_images("mine")) == (
        *("prompted", "glm", True),
    )
    assert (first_protocol("bare"), style_for("bare"), sees_images("bare")) == (
        *("native", "hermes", False),
    )


def test_what_a_file_does_not_say_is_judged_by_the_name() -> None:
    write("[my-llava]\ncontext_window = 8192\n")
    found = find("my-llava")

    assert found is not None
    assert says(found, "context_window")
    assert not says(found, "sees_images")
    assert sees_images("my-llava")


@pytest.mark.parametrize(
    "text, words",
    [
        (
            "[m]\ncontext_windw = 1",
            "unknown key `context_windw` in .*, \\[m\\]; .*`context_window`",
        ),
        ("[m]\nzzz = 1", "unknown key `zzz` in .*; known keys: "),
        ('[m]\ncontext_window = "8k"', "`context_window` in .* must be a whole number, not '8k'"),
        ("[m]\ncontext_window = true", "must be a whole number, not True"),
        ("[m]\ncontext_window = 0", "`context_window` in .* must be more than 0"),
        ("[m]\nsees_images = 1", "must be true or false"),
        ("[m]\naliases = [1]", "must be a list of strings"),
        ('[m]\nprotocol = "nativ"', "must be one of native, prompted, not 'nativ'"),
        ('[m]\ncall_format = "xml"', "must be one of native, hermes, .*, not 'xml'"),
        ('[m]\ntier = "huge"', "must be one of patch, small-coder, small, large, usual"),
        ("[m.prices]\ninput = 1", "`output` is missing in .*, \\[m.prices\\]"),
        ("[m.prices]\ninput = -1\noutput = 1", "`input` in .* must be 0 or more"),
        ("[m.prices]\ninput = nan\noutput = 1", "`input` in .* must be 0 or more"),
        ("[m.prices]\ninput = inf\noutput = 1", "`input` in .* must be 0 or more"),
        ('[m.reasoning]\nrender_back = "yes"', "must be one of never, turn, always"),
        ("[m.sampling]\ntemprature = 1", "did you mean `temperature`"),
        ('[m.weights]\nrepository = "a/b"', "`total_b` is missing"),
        (
            '[m.weights]\nrepository = "a/b"\ntotal_b = 1\nactive_b = 1\nquantisations = {Q = "4"}',
            "`quantisations.Q` in .* must be a size",
        ),
        ("context_window = 1", "`context_window` in .* stands in no table"),
        ("[m\n", "cannot read .*models.toml"),
        ("[m]\nname = '\x00'", "cannot read .*models.toml"),
    ],
)
def test_mistakes_are_told_in_one_line(text: str, words: str) -> None:
    write(text)

    with pytest.raises(UsageError, match=words) as told:
        find("anything")

    assert "\n" not in str(told.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = write("")
    file.unlink()
    file.mkdir()

    with pytest.raises(UsageError, match="cannot read"):
        find("m")


def test_a_file_that_breaks_later_counts_as_it_was() -> None:
    write("[mine]\ncontext_window = 1000\n")
    before = find("mine")
    write("[mine]\ncontext_window = ")

    assert find("mine") == before
    write("[mine]\ncontext_window = 2000\n")
    after = find("mine")
    assert after is not None
    assert after.context_window == 2000


def test_a_file_that_is_nested_too_deeply_is_an_error() -> None:
    write(f"x = {'[' * 100_000}")

    with pytest.raises(UsageError, match="cannot read"):
        find("x")
