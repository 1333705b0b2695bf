"""`qcode models`, as a person and a program see it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from program import Program

from qcode import paths
from qcode.models import Model
from qcode.models.reading import FILE, rows

SCHEMA = json.loads(FILE.with_name("registry.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, None, None)


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


def test_all_models_are_listed_a_line_each(program: Program) -> None:
    ended = program.run("models")

    assert (ended.code, ended.err) == (0, "")
    assert first_words(ended.out) == ["model", *rows()]
    claude = next(line for line in ended.out.splitlines() if line.startswith("claude-opus-4.6"))
    assert claude.split() == ["claude-opus-4.6", "1,000,000", "5", "25", "0.5", "native"]


@pytest.mark.parametrize(
    "arguments, there, missing",
    [
        (["qwen"], "qwen3.5-27b", "glm-5"),
        (["QWEN", "coder"], "qwen2.5-coder-7b", "qwen3.5-27b"),
        (["moonshot"], "kimi-k2.5", "glm-5"),
        (["--local"], "gpt-oss-20b", "claude-opus-4.6"),
        (["--max-price", "1"], "deepseek-v3.2", "glm-5"),
        (["--max-price", "0.5", "--local"], "gpt-oss-20b", "mimo-v2.6-flash"),
    ],
)
def test_the_list_is_narrowed(
    program: Program, arguments: list[str], there: str, missing: str
) -> None:
    ended = program.run("models", *arguments)

    assert ended.code == 0
    assert there in first_words(ended.out)
    assert missing not in first_words(ended.out)


def test_json_has_all_fields_of_all_models(program: Program) -> None:
    ended = program.run("models", "--json")

    found = json.loads(ended.out)
    assert [model["id"] for model in found] == list(rows())
    assert {frozenset(model) for model in found} == {frozenset(Model.__match_args__)}
    required = SCHEMA["$defs"]["model"]["properties"]
    jsonschema.validate(found[0]["context_window"], required["context_window"])
    assert found[0]["weights"]["quantisations"] == {"Q4_K_M": 0.491}


def test_one_model_is_shown_with_its_sources(program: Program) -> None:
    ended = program.run("models", "show", "hf.co/unsloth/Qwen3-Coder-Next-GGUF:Q4_K_M")

    assert ended.code == 0
    assert ended.out.startswith("Qwen3-Coder-Next (qwen3-coder-next), Qwen\n")
    for words in (
        *("262,144 tokens", "qwen3next.context_length", "24 KiB of cache a token", "Q4_K_M: 52 GB"),
        *("temperature 1, top_p 0.95, top_k 40 (not sent", "novita/qwen/qwen3-coder-next"),
    ):
        assert words in ended.out


def test_one_model_is_shown_as_json(program: Program) -> None:
    ended = program.run("models", "show", "gpt-oss:20b", "--json")

    shown = json.loads(ended.out)
    assert (shown["id"], shown["call_format"]) == ("gpt-oss-20b", "harmony")
    assert shown["reasoning"] == {"style": "field", "render_back": "turn", "can_be_off": False}


def test_what_only_litellm_knows_is_shown_too(program: Program) -> None:
    ended = program.run("models", "show", "gpt-4o")

    assert ended.code == 0
    assert "128,000 tokens" in ended.out
    assert "litellm" in ended.out


def test_ones_own_models_are_listed_and_shown(program: Program) -> None:
    folder = paths.config_dir()
    folder.mkdir(parents=True)
    (folder / "models.toml").write_text(
        '[house-model]\nbase_url = "http://10.1.2.3:8000/v1"\ncontext_window = 50000\n'
    )

    assert "house-model" in first_words(program.run("models", "house").out)
    shown = program.run("models", "show", "house-model").out
    assert "50,000 tokens" in shown
    assert "http://10.1.2.3:8000/v1" in shown


def test_prices_are_held_against_litellms(program: Program) -> None:
    ended = program.run("models", "check")

    assert ended.code == 0, ended.out
    assert "no price differs by more than 1 %" in ended.out
    assert json.loads(program.run("models", "check", "--json").out) == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["show", "qwen3-coder-nxt"], "nothing is known of the model `qwen3-coder-nxt`; did you"),
        (["show", "zzzzzzzz"], "`qcode models` lists those that are known"),
        (["show"], "takes the name of one model"),
        (["show", "a", "b"], "takes the name of one model"),
        (["no-such-model-anywhere"], "no model that qcode knows is like that"),
        (["--max-price", "cheap"], "`cheap` is no price in US dollars"),
        (["--max-price", "nan"], "`nan` is no price in US dollars"),
    ],
)
def test_mistakes_are_told_in_one_line(program: Program, arguments: list[str], words: str) -> None:
    ended = program.run("models", *arguments)

    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert words in ended.err


def test_a_broken_file_of_ones_own_is_told(program: Program) -> None:
    folder = paths.config_dir()
    folder.mkdir(parents=True)
    (folder / "models.toml").write_text("[m]\ncontext = 1\n")

    ended = program.run("models")

    assert ended.code == 2
    assert "unknown key `context`" in ended.err
