"""Where a second model is asked, and with which key: each key goes where it is for."""

from __future__ import annotations

import pytest

from qcode import paths
from qcode.cli.chosen import choose_model
from qcode.cli.seconds import chosen_second
from qcode.config import Settings
from qcode.errors import QcodeError

GATEWAY = "https://gateway.example.org/v1"
NEAR = "http://127.0.0.1:9/v1"
OWN = """
[mine]
base_url = "https://mine.example.org/v1"
api_key_env = "MINE_KEY"

[open]
base_url = "https://open.example.org/v1"

[beside]
base_url = "https://gateway.example.org/v1/"

[renamed]
served_as = "as-it-is-called-there"
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QCODE_API_KEY", "OPENAI_API_KEY", "MINE_KEY", "FIRST_KEY"):
        monkeypatch.setenv(name, name.lower())
    file = paths.models_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(OWN)


def second(name: str, **settings: object) -> tuple[str, str | None, str | None]:
    """Return a second model's name there, where it is, and its key."""
    mine = Settings(**settings)  # type: ignore[arg-type]
    first = choose_model(mine, lambda _text: None, local=False)
    target = chosen_second(mine, first, name, lambda _text: None).target
    return target.model, target.base_url, target.api_key


OPENAI = "https://api.openai.com/v1"
MINE = "https://mine.example.org/v1"


@pytest.mark.parametrize(
    "name, meant",
    [
        ("other", ("other", GATEWAY, "qcode_api_key")),
        ("anthropic/claude-opus-4.6", ("anthropic/claude-opus-4.6", GATEWAY, "qcode_api_key")),
        ("mine", ("mine", MINE, "mine_key")),
        ("open", ("open", "https://open.example.org/v1", None)),
        ("beside", ("beside", GATEWAY, "qcode_api_key")),
        ("renamed", ("as-it-is-called-there", GATEWAY, "qcode_api_key")),
    ],
)
def test_beside_a_gateway(name: str, meant: object) -> None:
    assert second(name, model="first", base_url=GATEWAY) == meant


@pytest.mark.parametrize(
    "name, meant",
    [
        ("gpt-5.2", ("gpt-5.2", OPENAI, "openai_api_key")),
        ("anthropic/claude-opus-4.6", ("anthropic/claude-opus-4.6", None, None)),
        ("mine", ("mine", MINE, "mine_key")),
        ("open", ("open", "https://open.example.org/v1", None)),
        ("other", ("other", NEAR, "qcode_api_key")),
    ],
)
def test_beside_a_server_of_this_machine(name: str, meant: object) -> None:
    assert second(name, model="first", base_url=NEAR) == meant


def test_a_gateway_of_models_toml_is_one_as_any() -> None:
    first = "mine"
    assert second("anthropic/claude-opus-4.6", model=first) == (
        *("anthropic/claude-opus-4.6", MINE),
        "mine_key",
    )


@pytest.mark.parametrize(
    "name, meant",
    [
        ("anthropic/claude-opus-4.6", ("anthropic/claude-opus-4.6", None, "first_key")),
        ("gemini/gemini-3-pro", ("gemini/gemini-3-pro", None, None)),
        ("somebody/model", ("somebody/model", None, None)),
        ("gpt-5.2", ("gpt-5.2", OPENAI, "openai_api_key")),
    ],
)
def test_beside_a_hosted_model(name: str, meant: object) -> None:
    first = "anthropic/claude-sonnet-4.6"
    assert second(name, model=first, api_key_env="FIRST_KEY") == meant


def test_beside_openai() -> None:
    found = second("openai/gpt-5-mini", model="gpt-5.2", api_key_env="FIRST_KEY")
    assert found == ("gpt-5-mini", OPENAI, "first_key")
    assert second("anthropic/claude-opus-4.6", model="gpt-5.2")[2] is None


def test_a_gateways_key_by_openais_name_is_not_openais(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QCODE_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", NEAR)
    with pytest.raises(QcodeError, match="no key for OpenAI"):
        second("gpt-5.2", model="first", base_url=NEAR)


def test_offline_a_second_model_elsewhere_is_refused() -> None:
    settings = Settings(model="first", base_url=NEAR, offline=True)
    first = choose_model(settings, lambda _text: None, local=False)
    for name in ("gpt-5.2", "anthropic/claude-opus-4.6", "mine"):
        with pytest.raises(QcodeError, match="offline"):
            chosen_second(settings, first, name, lambda _text: None)
