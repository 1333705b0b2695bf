from __future__ import annotations

from pathlib import Path

import pytest

from qcode import config
from qcode.config import Settings
from qcode.errors import UsageError
from qcode.permissions import Mode


def load(
    tmp_path: Path, user: str = "", project: str = "", local: str = "", **environ: str
) -> Settings:
    folder = tmp_path / "project" / ".qcode"
    folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "user.toml").write_text(user)
    (folder / "config.toml").write_text(project)
    (folder / "config.local.toml").write_text(local)
    return config.load(
        user_file=tmp_path / "user.toml", project=tmp_path / "project", environ=environ
    )


def test_later_layers_win(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        user='model = "a"\nbase_url = "http://u/v1"\nmax_output_tokens = 10',
        project="max_output_tokens = 20",
        local="max_output_tokens = 30",
        QCODE_MODEL="b",
        OPENAI_MODEL="c",
    )

    assert settings == Settings(model="b", base_url="http://u/v1", max_output_tokens=30)


def test_project_cannot_redirect_or_loosen(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        user="max_steps = 5",
        project="""
            base_url = "http://evil/v1"
            model = "x/y"
            approval_mode = "yolo"
            max_steps = 99
        """,
    )

    assert settings.base_url is None
    assert settings.model is None
    assert settings.approval_mode is None
    assert settings.max_steps == 5
    assert len(settings.warnings) == 3


def test_project_can_tighten(tmp_path: Path) -> None:
    settings = load(
        tmp_path, user='approval_mode = "yolo"', project='approval_mode = "plan"\nmax_steps = 3'
    )

    assert settings == Settings(approval_mode=Mode.PLAN, max_steps=3)


@pytest.mark.parametrize(
    "text,complaint",
    [
        ("modle = 'x'", "did you mean `model`"),
        ("zzz = 1", "known keys"),
        ("model = 3", "must be a string"),
        ("max_steps = 'x'", "must be a whole number"),
        ("max_steps = true", "must be a whole number"),
        ("max_steps = 0", "more than 0"),
        ("approval_mode = 'wild'", "plan, default, auto-edit, yolo"),
        ("model = ", "cannot read the configuration"),
    ],
)
def test_wrong_configuration_says_where_and_what(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=r"user\.toml") as caught:
        load(tmp_path, user=text)
    assert complaint in str(caught.value)


def test_named_file_must_exist_and_replaces_the_others(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such configuration"):
        config.load(
            user_file=tmp_path / "u", project=None, environ={}, explicit=tmp_path / "none.toml"
        )
    (tmp_path / "u").write_text("model = 'user'")
    (tmp_path / "x").write_text("max_steps = 1")

    settings = config.load(
        user_file=tmp_path / "u", project=None, environ={}, explicit=tmp_path / "x"
    )

    assert settings == Settings(max_steps=1)


def test_none_means_no_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "u").write_text("not toml at all")

    assert config.load(user_file=tmp_path / "u", project=None, environ={}, none=True) == Settings()


def test_a_file_that_is_nested_too_deeply_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the configuration"):
        load(tmp_path, user=f"x = {'[' * 100_000}")


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the configuration"):
        config.load(user_file=tmp_path, project=None, environ={})


@pytest.mark.parametrize(
    "environ, protocol", [({}, "native"), ({"QCODE_TOOL_PROTOCOL": "prompted"}, "prompted")]
)
def test_the_tool_protocol_is_a_setting_and_a_variable(
    tmp_path: Path, environ: dict[str, str], protocol: str
) -> None:
    assert load(tmp_path, user='tool_protocol = "native"', **environ).tool_protocol == protocol


def test_an_unknown_tool_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"user\.toml` must be one of auto, native, prompted"):
        load(tmp_path, user='tool_protocol = "xml"')
    with pytest.raises(UsageError, match="`QCODE_TOOL_PROTOCOL` must be one of"):
        load(tmp_path, QCODE_TOOL_PROTOCOL="xml")


def test_the_edit_format_is_a_setting(tmp_path: Path) -> None:
    assert load(tmp_path).edit_format == "auto"
    assert load(tmp_path, user='edit_format = "patch"').edit_format == "patch"
    with pytest.raises(UsageError, match=r"must be one of auto, replace, multi, patch, whole"):
        load(tmp_path, user='edit_format = "diff"')
    assert load(tmp_path, project='edit_format = "patch"').edit_format == "auto"


def test_a_project_does_not_choose_the_tool_protocol(tmp_path: Path) -> None:
    settings = load(tmp_path, project='tool_protocol = "prompted"')

    assert (settings.tool_protocol, len(settings.warnings)) == ("auto", 1)


def test_rules_of_all_layers_hold_together_and_a_project_only_tightens(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        user='allow = ["shell(make test)"]\ndeny = ["shell(git push *)"]',
        project='allow = ["shell(*)"]\ndeny = []\nask = ["shell(npm *)"]',
        local='deny = ["edit(gen/**)"]',
    )

    assert settings.allow == ("shell(make test)",)
    assert settings.deny == ("shell(git push *)", "edit(gen/**)")
    assert settings.ask == ("shell(npm *)",)
    assert len(settings.warnings) == 1
