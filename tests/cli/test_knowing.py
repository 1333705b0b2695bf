"""What a session begins with of what the registry says of its model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from program import Program
from scripted_server import ScriptedServer, text

from qcode import paths, profiles
from qcode.cli.chosen import Chosen, choose_model
from qcode.cli.knowing import family_for, is_hosted, own_place, tell_unknown, with_places
from qcode.config import Settings
from qcode.context import output_limit
from qcode.errors import UsageError
from qcode.models import find
from qcode.profiles import Profile
from qcode.providers.registry import Target

HOSTED = "https://models.example.com/v1"
LOCAL = "http://127.0.0.1:9/v1"


def chosen(settings: Settings) -> Chosen:
    return choose_model(settings, lambda _text: None, local=False)


def own(text: str) -> None:
    file = paths.models_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    "target, hosted",
    [
        (Target("anthropic/claude-opus-4-6", None, None, "litellm"), True),
        (Target("gpt-5.2", None, "k", "responses"), True),
        (Target("m", HOSTED, None, "chat"), True),
        (Target("m", LOCAL, None, "chat"), False),
        (Target("m", "http://10.0.0.5:8000/v1", None, "chat"), False),
        (Target("m", "http://gpu-box:8000/v1", None, "chat"), False),
        (Target("m", None, None, "given"), False),
    ],
)
def test_hosted_is_what_somebody_else_serves(target: Target, hosted: bool) -> None:
    assert is_hosted(target) is hosted


@pytest.mark.parametrize(
    "model, base_url, window, most",
    [
        ("anthropic/claude-opus-4-6", None, 1_000_000, 128_000),
        ("Qwen/Qwen3-Coder-Next-FP8", HOSTED, 262_144, 65_536),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", HOSTED, 1_048_576, 8192),
        ("Qwen/Qwen3-Coder-Next-FP8", LOCAL, None, None),
        ("acme/unheard-of-9b", HOSTED, None, None),
    ],
)
def test_a_hosted_models_window_is_known(
    model: str, base_url: str | None, window: int | None, most: int | None
) -> None:
    found = chosen(Settings(model=model, base_url=base_url))

    assert (found.context_window, found.max_output) == (window, most)
    assert found.is_known is (not model.startswith("acme"))


def test_what_only_litellms_table_knows_is_known_of_hosted_models_alone() -> None:
    name = "mistral/mistral-large-latest"
    in_table = find(name, in_table=True)

    assert in_table is not None
    assert chosen(Settings(model=name)).context_window == in_table.context_window
    assert chosen(Settings(model=name, base_url=LOCAL)).context_window is None


def test_settings_and_the_doctor_hold_before_the_registry() -> None:
    settings = Settings(model="Qwen/Qwen3-Coder-Next", base_url=HOSTED)
    assert chosen(replace(settings, context_window=50_000)).context_window == 50_000

    profiles.save(Profile(HOSTED, "Qwen/Qwen3-Coder-Next", "2026-01-01", context_window=90_000))

    assert chosen(settings).context_window == 90_000


def test_an_answer_is_no_longer_than_the_model_can_write() -> None:
    maverick = chosen(Settings(model="meta-llama/Llama-4-Maverick", base_url=HOSTED))

    assert maverick.output_limit(Settings()) == 8192
    assert maverick.output_limit(Settings(max_output_tokens=20_000)) == 20_000
    assert [output_limit(None, None, 4096), output_limit(1_000_000, None)] == [4096, 16384]


def test_a_model_of_ones_own_leads_to_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "sk-house")
    own(
        f'[house]\nbase_url = "{LOCAL}"\napi_key_env = "HOUSE_KEY"\nserved_as = "coder-7"\n'
        'context_window = 65536\ntier = "large"\n'
    )

    for base_url in (None, HOSTED):  # where the others are
        found = chosen(Settings(model="house", base_url=base_url))

        assert (found.target.base_url, found.target.model) == (LOCAL, "coder-7")
        assert (found.target.api_key, found.context_window) == ("sk-house", 65536)
    assert family_for("coder-7").name == "large"
    assert own_place(Settings(model="another")) == Settings(model="another")


def test_a_key_that_is_missing_is_told_by_its_name() -> None:
    own(f'[house]\nbase_url = "{LOCAL}"\napi_key_env = "HOUSE_KEY"\n')

    with pytest.raises(UsageError, match="`HOUSE_KEY` is not set"):
        chosen(Settings(model="house"))


def test_that_nothing_is_known_is_told_with_what_is_assumed() -> None:
    told: list[str] = []
    unknown = chosen(Settings(model="acme/unheard-of-9b", base_url=HOSTED))

    tell_unknown(unknown, told.append)
    tell_unknown(replace(unknown, context_window=8192), told.append)
    tell_unknown(chosen(Settings(model="glm-5", base_url=HOSTED)), told.append)
    tell_unknown(chosen(Settings(model="scripted", base_url=LOCAL)), told.append)

    assert len(told) == 1
    assert told[0].startswith(
        "nothing is known of the model acme/unheard-of-9b, and a window of 32,"
    )


def test_a_known_model_without_a_place_is_told_where_it_is_served() -> None:
    error = UsageError("it is not known where `x` is served", hint="say where")

    assert "`anthropic/claude-opus-4-6`" in with_places("claude-opus-4.6", error).hint
    assert with_places("unheard-of", error) is error


def test_the_program_works_with_a_model_of_ones_own(tmp_path: Path) -> None:
    with ScriptedServer([text("done")]) as server:
        own(f'[house]\nbase_url = "{server.base_url}"\nserved_as = "coder-7"\n')

        ended = Program(tmp_path, None, "house").run("run", "hello")

    assert (ended.code, ended.out) == (0, "done\n")
    assert json.loads(server.requests[0].raw)["model"] == "coder-7"
