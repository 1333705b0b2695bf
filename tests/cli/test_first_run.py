"""The first run without a model: one key picks one, and nothing is edited by hand."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_doubles import FakeServer, write_gguf
from scripted_server import ScriptedServer, text
from terminal import CTRL_D, Screened

from qcode import local
from qcode.cli.first_run import AGAIN, Choice, choices, described, pick
from qcode.local.catalog import MODELS
from qcode.local.discover import CHOICES, USUAL_PORTS, Found, discover
from qcode.local.keys import HOSTED

OLLAMA = Found("Ollama", "http://127.0.0.1:11434/v1", ("a", "b", "c", "d"), None)
ESC = "\x1b"


def test_servers_come_first_then_keys_then_what_runs_without_either() -> None:
    found = choices([OLLAMA], {"DEEPSEEK_API_KEY": "x", "GROQ_API_KEY": " "}, ["0.5b"])

    assert [choice.model for choice in found] == [
        *("a", "b", "c", "deepseek/deepseek-v4-pro", "local/1.5b", "local/0.5b"),
    ]
    assert found[0].settings == {"base_url": "http://127.0.0.1:11434/v1", "model": "a"}
    assert found[3].settings == {"model": "deepseek/deepseek-v4-pro"}
    assert found[3].about == "with the key in DEEPSEEK_API_KEY"
    assert "fetches 1.2 GB, once; runs on this machine alone" in found[4].about
    assert "is fetched already" in found[5].about


def test_the_embedded_model_is_always_among_nine() -> None:
    found = choices([OLLAMA] * 2, {one.variable: "k" for one in HOSTED}, [])

    assert len(found) == 9
    assert [choice.model for choice in found[-2:]] == ["local/1.5b", "local/0.5b"]


def test_no_key_is_shown_and_no_server_drives_the_terminal() -> None:
    evil = Found("vLLM", "http://127.0.0.1:8000/v1", ("x\x1b[2J",), None)

    shown = described(choices([evil], {"OPENAI_API_KEY": "sk-very-secret"}, []))

    assert "secret" not in shown
    assert "\x1b" not in shown
    assert "  2  gpt-5.5 at OpenAI" in shown


@pytest.mark.parametrize(
    "keys, picked, lists",
    [("1", "a", 1), ("x92", "b", 1), ("0r1", "a", 2), (ESC, None, 1), ("q", None, 1), ("", None, 1),
     ("\x03", None, 1), ("\x04", None, 1), ("?r?q", None, 2)],
)  # fmt: skip
def test_one_key_is_enough(keys: str, picked: str | None, lists: int) -> None:
    said: list[str] = []
    pressed = iter(keys)
    offered = [Choice("a", "A", ""), Choice("b", "B", "")]

    choice = pick(lambda: offered, lambda: next(pressed, ""), said.append)

    assert (choice.model if choice else None) == picked
    assert len(said) == lists
    assert AGAIN == "r"


@pytest.mark.slow
def test_the_models_are_opened_by_the_keys_that_are_named() -> None:
    source = f"""
import litellm, os
for variable, model in {[(one.variable, one.model) for one in HOSTED]}:
    os.environ[variable] = "a-key"
    assert litellm.validate_environment(model)["keys_in_environment"], model
    del os.environ[variable]
"""
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}

    subprocess.run([sys.executable, "-c", source], env=environment, check=True)


# ------------------------------------------------------------------ in a terminal


@pytest.fixture
def alone() -> None:
    if any(found.models for found in discover()):
        pytest.skip("a model server runs on this machine")


@pytest.fixture
def config() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "qcode/config.toml"


def leave(qcode: Screened) -> None:
    qcode.ready()
    qcode.type(CTRL_D)
    assert qcode.wait() == 0


@pytest.mark.usefixtures("alone")
def test_a_key_in_the_environment_is_one_key_press(tmp_path: Path, config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text('# mine\napproval_mode = "plan"  # careful\n')
    with Screened(tmp_path, MISTRAL_API_KEY="very-secret-key") as qcode:
        qcode.expect("  1  mistral/devstral-latest at Mistral")
        qcode.expect("Esc leaves")
        qcode.type("\x1b[A1")  # the arrow key is none
        qcode.expect("mistral/devstral-latest is written to")
        qcode.expect("mistral/devstral-latest · plan")
        leave(qcode)
        assert "very-secret" not in qcode.page
    assert config.read_text() == (
        '# mine\napproval_mode = "plan"  # careful\nmodel = "mistral/devstral-latest"\n'
    )
    with Screened(tmp_path, MISTRAL_API_KEY="very-secret-key") as qcode:
        assert "no model" not in qcode.expect("mistral/devstral-latest · plan")
        leave(qcode)


@pytest.mark.usefixtures("alone")
def test_escape_leaves_as_ever_and_writes_nothing(tmp_path: Path, config: Path) -> None:
    with Screened(tmp_path) as qcode:
        qcode.expect("Esc leaves")
        qcode.type(ESC)
        qcode.expect(CHOICES.splitlines()[0])
        assert qcode.wait() == 2
    with Screened(tmp_path, "--no-config") as qcode:
        assert "press a number" not in qcode.expect(CHOICES.splitlines()[0])
        assert qcode.wait() == 2
    assert not config.exists()


@pytest.mark.usefixtures("alone")
def test_a_server_that_was_started_meanwhile_is_found(tmp_path: Path, config: Path) -> None:
    for port in USUAL_PORTS.values():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                break
    with Screened(tmp_path) as qcode:
        qcode.expect("Esc leaves")
        with ScriptedServer([text("Hello.")], port=port) as server:
            qcode.type("r")
            qcode.expect("  1  scripted of the ")
            qcode.expect("Esc leaves")
            qcode.type("1")
            qcode.say("hi")
            qcode.expect("Hello.")
            leave(qcode)
            assert tomllib.loads(config.read_text()) == {
                "base_url": server.base_url,
                "model": "scripted",
            }


@pytest.fixture
def tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """The embedded model as if it were fetched, and a server for it; the file is sparse."""
    builtin = MODELS["0.5b"]
    file = write_gguf(Path(os.environ["XDG_DATA_HOME"]) / "qcode/models" / builtin.file)
    os.truncate(file, builtin.size)
    server = FakeServer(tmp_path / "bin")
    python = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{python}:{os.environ['PATH']}")
    yield server
    local.down()


@pytest.mark.usefixtures("alone")
def test_the_embedded_model_is_served_and_comes_back_the_next_time(
    tmp_path: Path, config: Path, tiny_model: FakeServer
) -> None:
    assert shutil.which("llama-server")
    for _ in range(2):
        with Screened(tmp_path) as qcode:
            if not config.exists():
                qcode.expect("  2  Qwen2.5-Coder 0.5B, embedded")
                qcode.expect("is fetched already")
                qcode.expect("Esc leaves")
                qcode.type("2")
            qcode.expect("using the embedded model qwen2.5-coder-0.5b")
            leave(qcode)
        local.down()

    assert config.read_text() == 'model = "local/0.5b"\n'
    assert len(tiny_model.starts) == 2
