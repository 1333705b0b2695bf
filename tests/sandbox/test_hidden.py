from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from qcode.sandbox.hidden import Hidden
from qcode.sandbox.policy import Level, Policy
from qcode.sandbox.repositories import Survey


class Place:
    """A home directory and a workspace beside it, with what may have to be hidden."""

    def __init__(self, top: Path) -> None:
        self.home, self.work = top / "home", top / "work"
        for path in (
            self.home / ".ssh/id_ed25519", self.home / ".netrc", self.home / ".config/gh/hosts.yml",
            self.home / "notes.txt", self.work / ".env", self.work / ".env.local",
            self.work / ".env.example", self.work / "app/.env", self.work / "a.py",
            self.work / "app/key.pem",
        ):  # fmt: skip
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("secret")

    def hidden(self, *, hidden: tuple[str, ...] = (), shown: tuple[str, ...] = ()) -> Hidden:
        return Hidden(
            Policy(
                level=Level.WORKSPACE_WRITE,
                roots=(self.work,),
                home=self.home,
                hidden=hidden,
                shown=shown,
            ),
            config_dir=self.home / ".config/qcode",
            state_dir=self.home / "state",
        )

    def existing(self, hidden: Hidden) -> list[str]:
        named = Survey(self.work, hidden.wanted).look().named
        return [os.path.relpath(path, self.home.parent) for path in hidden.existing(named)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path.resolve())


IN_HOME = ["home/.config/gh", "home/.netrc", "home/.ssh"]


def test_keys_at_home_and_environment_files_are_hidden(place: Place) -> None:
    hidden = place.hidden()

    assert place.existing(hidden) == [
        *IN_HOME, "work/.env", "work/.env.local", "work/app/.env",
    ]  # fmt: skip
    for path in (".ssh", ".ssh/id_ed25519", ".netrc", ".aws/not-yet", "state/x", ".config/qcode"):
        assert "keys" in hidden.reason(place.home / path)
    for path in (".env", ".env.local", "app/.env", "new/.env", ".ENV"):
        assert "git does not track" in hidden.reason(place.work / path)
    for path in (".env.example", "a.py", "app/environment.py"):
        assert hidden.reason(place.work / path) == ""
    for path in ("notes.txt", ".sshd", ".config/ghost"):
        assert hidden.reason(place.home / path) == ""


def test_a_tracked_file_is_not_hidden_and_a_command_cannot_make_one_so(place: Place) -> None:
    git = ["git", "-C", str(place.work)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-f", "app/.env"], check=True)
    hidden = place.hidden()

    subprocess.run([*git, "add", "-f", ".env"], check=True)

    assert place.existing(hidden) == [*IN_HOME, "work/.env", "work/.env.local"]
    assert hidden.reason(place.work / "app/.env") == ""
    assert hidden.reason(place.work / ".env")


def test_a_person_adds_and_takes_away(place: Place) -> None:
    hidden = place.hidden(
        hidden=("*.pem", "~/notes.txt"), shown=("~/.netrc", ".env.local", "~/.ssh")
    )

    assert place.existing(hidden) == [
        "home/.config/gh", "home/notes.txt", "work/.env", "work/app/.env", "work/app/key.pem",
    ]  # fmt: skip
    assert hidden.reason(place.work / "x/new.pem") == "*.pem is hidden by a rule"
    assert hidden.reason(place.home / ".netrc") == ""
    assert hidden.reason(place.home / ".ssh/known_hosts") == ""
    assert hidden.reason(place.work / ".env.local") == ""


def test_what_links_lead_to_is_hidden_but_no_program_by_a_trick(place: Place) -> None:
    keys = place.home.parent / "keys"
    keys.mkdir()
    (place.home / ".aws").symlink_to(keys)
    (place.work / ".env.production").symlink_to(place.home / "prod.env")
    (place.home / "prod.env").write_text("secret")
    (place.work / ".env.bash").symlink_to("/bin/bash")
    (place.work / ".env.a").symlink_to("a.py")
    hidden = place.hidden()

    found = place.existing(hidden)

    assert {"keys", "home/prod.env"} <= set(found)
    assert not any("bash" in path or "a.py" in path for path in found)
    assert hidden.reason(keys / "credentials")


def test_a_python_environment_called_env_is_not_hidden(place: Place) -> None:
    (place.work / "lib/.env/bin").mkdir(parents=True)

    assert "work/lib/.env" not in place.existing(place.hidden())


def test_what_appears_at_home_later_is_hidden_too(place: Place) -> None:
    hidden = place.hidden()
    (place.home / ".pgpass").write_text("secret")

    assert "home/.pgpass" in place.existing(hidden)
