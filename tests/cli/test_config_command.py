"""`qcode config`: what is set and where; one value is written, all else stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from held import held

from qcode.cli.config import in_session
from qcode.errors import UsageError

SECRET = "sk-" + "a1" * 20


def qcode(*words: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "qcode", "config", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def file() -> Path:
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "qcode/config.toml"
    file.parent.mkdir(parents=True)
    return file


def test_a_value_is_written_and_comments_stay(tmp_path: Path, file: Path) -> None:
    file.write_text("# mine\nmax_steps = 9  # few\n")

    assert qcode("path", cwd=tmp_path) == (0, f"{file}\n", "")
    assert qcode("set", "max_steps", "40", cwd=tmp_path)[:2] == (0, f"max_steps = 40  # {file}\n")
    assert qcode("set", "model", "x/y", cwd=tmp_path)[0] == 0
    assert qcode("set", "allow", "shell(make *)", cwd=tmp_path)[0] == 0
    assert qcode("set", "ask", '["edit(a)", "edit(b)"]', cwd=tmp_path)[0] == 0
    assert qcode("set", "extra_body", "{top_p = 0.9}", cwd=tmp_path)[0] == 0
    assert file.read_text() == (
        '# mine\nmax_steps = 40  # few\nmodel = "x/y"\nallow = ["shell(make *)"]\n'
        'ask = ["edit(a)", "edit(b)"]\nextra_body = { "top_p" = 0.9 }\n'
    )
    assert qcode("get", "max_steps", cwd=tmp_path)[1] == "40\n"
    assert qcode("get", "model", cwd=tmp_path)[1] == "x/y\n"
    assert qcode("get", "ask", cwd=tmp_path)[1] == '["edit(a)", "edit(b)"]\n'


def test_each_value_is_shown_with_where_it_is_from(tmp_path: Path, file: Path) -> None:
    file.write_text('model = "mine"\ndeny = ["edit(a)"]\nmax_steps = 50\n')
    (tmp_path / ".qcode").mkdir()
    (tmp_path / ".qcode/config.toml").write_text(
        'deny = ["edit(b)"]\nallow = ["shell(x)"]\nmodel = "theirs"\nmax_steps = 9\n'
    )

    code, out, _ = qcode("get", cwd=tmp_path, QCODE_MODEL="other")

    assert code == 0
    assert out.splitlines() == [
        'model = "other"  # $QCODE_MODEL',
        f"max_steps = 9  # {file}, .qcode/config.toml",
        f'deny = ["edit(a)", "edit(b)"]  # {file}, .qcode/config.toml',
        "surroundings = false  # $QCODE_SURROUNDINGS",
    ]
    assert qcode(cwd=tmp_path, QCODE_MODEL="other")[1] == out
    assert "nothing is set" in qcode("--no-config", cwd=tmp_path, QCODE_SURROUNDINGS="")[1]


@pytest.mark.parametrize(
    "words, said",
    [
        (("max_stepz", "4"), "there is no setting `max_stepz`; did you mean `max_steps`?"),
        (("max_steps", "many"), "`max_steps` in "),
        (("max_steps", "0"), "must be more than 0"),
        (("approval_mode", "always"), "must be one of plan, default, auto-edit, yolo"),
        (("api_key", "x"), "qcode keeps no keys or passwords; put it into an environment variable"),
        (("model", SECRET), "qcode keeps no keys or passwords"),
        (("extra_body", f'{{a = "{SECRET}"}}'), "qcode keeps no keys or passwords"),
        (("api_key_env", "not a name"), "takes the name of a variable"),
        (("base_url", "http://me@host/v1"), "is no base URL"),
        (("base_url", "localhost"), "is no base URL"),
        (("allow", "[1]"), "must be a list of strings"),
    ],
)
def test_what_is_refused_changes_nothing(
    tmp_path: Path, file: Path, words: tuple[str, str], said: str
) -> None:
    file.write_text("# mine\n")

    code, out, err = qcode("set", *words, cwd=tmp_path)

    assert (code, out) == (2, "")
    assert said in err
    assert SECRET not in err
    assert file.read_text() == "# mine\n"


def test_a_file_of_ones_own_is_written_where_it_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("")

    assert qcode("--config", str(other), "set", "map", "true", cwd=tmp_path)[0] == 0
    assert other.read_text() == "map = true\n"
    assert qcode("--no-config", "set", "map", "true", cwd=tmp_path)[0] == 2


def test_in_a_session(tmp_path: Path, file: Path) -> None:
    file.write_text("max_steps = 9\n")
    with held(tmp_path) as session:
        assert f"max_steps = 9  # {file}" in in_session(session, "")
        assert in_session(session, "max_steps") == "9"
        assert in_session(session, "model") == "`model` is not set"
        assert "counts from the next session on" in in_session(session, "set max_steps 12")
        with pytest.raises(UsageError, match="there is no setting"):
            in_session(session, "nothing")
        with pytest.raises(UsageError, match="name a key"):
            in_session(session, "set map")
    assert file.read_text() == "max_steps = 12\n"
