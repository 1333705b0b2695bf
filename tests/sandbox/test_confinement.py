from __future__ import annotations

import os
from pathlib import Path

import pytest

from qcode.errors import SandboxError
from qcode.record import replace
from qcode.sandbox.confinement import Confining
from qcode.sandbox.policy import Confinement, Grant, Level, Network, Policy


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path.resolve()
    for path in (
        "home/.ssh/id", "home/.ssh/known_hosts", "home/.netrc", "work/.env", "work/.vscode/a.json",
        "work/src/gen/x.py", "work/.git/config", "work/.git/HEAD", "work/.git/hooks/a.sample",
        "work/sub/.git/config", "added/x", "out/x", "cache/x",
    ):  # fmt: skip
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text("")
    return top


def policy(top: Path, **changes: object) -> Policy:
    plain = Policy(
        level=Level.WORKSPACE_WRITE, roots=(top / "work", top / "added"), home=top / "home"
    )
    return replace(plain, **changes)


def confining(top: Path, **changes: object) -> Confining:
    return Confining(
        policy(top, **changes),
        config_dir=top / "home/.config/qcode",
        state_dir=top / "home/state",
        cache_dir=top / "cache",
        temp=str(top / "temp"),
    )


def short(top: Path, paths: tuple[str, ...]) -> list[str]:
    """Of our own directory; sockets of the machine are hidden too."""
    return [os.path.relpath(path, top) for path in paths if path.startswith(f"{top}/")]


def test_the_workspace_is_writable_and_what_is_obeyed_in_it_is_not(top: Path) -> None:
    at = confining(top, protected=("src/gen/**",))

    now = at.now()

    assert short(top, now.writable) == ["added", at.private_cache[len(str(top)) + 1 :], "work"]
    assert short(top, now.protected) == [
        "work/.git/config", "work/.git/hooks", "work/.vscode", "work/src/gen",
        "work/sub/.git/config",
    ]  # fmt: skip
    assert short(top, now.pinned) == ["work/.git", "work/src", "work/sub", "work/sub/.git"]
    assert short(top, now.hidden) == ["home/.netrc", "home/.ssh", "work/.env"]
    assert (now.temp, now.network) == (str(top / "temp"), Network.OFF)


def test_each_path_has_its_identity_in_order(top: Path) -> None:
    now = confining(top).now()

    paths = (*now.writable, *now.pinned, *now.protected, *now.hidden)
    assert now.identity == tuple((s.st_dev, s.st_ino) for s in map(os.lstat, paths))
    assert confining(top).now() == now


def test_a_file_that_was_exchanged_makes_another_confinement(top: Path) -> None:
    at = confining(top)
    before = at.now()
    (top / "work/.git/new").write_text("")
    (top / "work/.git/new").rename(top / "work/.git/config")

    assert at.now() != before
    assert at.now().protected == before.protected


def test_read_only_writes_nowhere(top: Path) -> None:
    looking = confining(top).now(read_only=True, extra_write=(str(top / "out"), str(top / "no")))
    policed = confining(top, level=Level.READ_ONLY).now()

    assert short(top, looking.writable) == ["out"]
    assert (policed.writable, policed.pinned, policed.protected) == ((), (), ())
    assert short(top, policed.hidden) == ["home/.netrc", "home/.ssh", "work/.env"]


def test_a_grant_gives_what_it_says(top: Path) -> None:
    at = confining(top)

    def granted(**what: object) -> Confinement:
        return at.now(replace(Grant(), **what))

    assert granted(network=True).network is Network.ON
    assert "out" in short(top, granted(write=(str(top / "out"),)).writable)
    assert "out" in short(top, granted(write=(str(top / "out/new.txt"),)).writable)
    assert short(top, granted(write=("/no/such/place",)).writable) == short(top, at.now().writable)
    one = granted(write=(str(top / "work/.vscode/a.json"), str(top / "work/.git/config")))
    assert short(top, one.protected) == ["work/.git/hooks", "work/sub/.git/config"]
    whole = granted(write=(str(top / "work"),))
    assert whole.protected == at.now().protected
    read = granted(read=(str(top / "home/.ssh/known_hosts"),))
    assert short(top, read.hidden) == ["home/.netrc", "home/.ssh/id", "work/.env"]
    assert short(top, granted(read=(str(top / "home"),)).hidden) == ["work/.env"]


@pytest.mark.parametrize("root", ["/", "home", ".", "home/.ssh", "home/.ssh/inner"])
def test_places_where_nothing_is_safe_are_refused(top: Path, root: str) -> None:
    (top / "home/.ssh/inner").mkdir()
    with pytest.raises(SandboxError) as caught:
        confining(top, roots=((top / root).resolve(),))

    assert caught.value.hint


def test_the_home_directory_may_be_looked_at(top: Path) -> None:
    assert confining(top, roots=(top / "home",), level=Level.READ_ONLY).now().writable == ()


def test_caches_go_to_a_private_place_unless_a_person_declared_theirs(top: Path) -> None:
    (top / "home/.npm").mkdir()
    at = confining(top, caches=(top / "home/.npm", top / "nowhere"))

    caches = at.cache_environment({"GOCACHE": str(top / "work/go"), "PIP_CACHE_DIR": "/x"})

    assert caches["PIP_CACHE_DIR"] == f"{at.private_cache}/pip"
    assert not {"npm_config_cache", "GOCACHE"} & caches.keys()
    assert "home/.npm" in short(top, at.now().writable)
    assert os.stat(at.private_cache).st_mode & 0o777 == 0o700
    assert confining(top, level=Level.READ_ONLY).cache_environment({}) == {}


def test_a_new_repository_is_protected_from_the_next_command_on(top: Path) -> None:
    at = confining(top)
    (top / "work/new/.git/hooks").mkdir(parents=True)

    now = at.now()

    assert "work/new/.git/hooks" in short(top, now.protected)
    assert "work/new/.git" in short(top, now.pinned)


def test_links_are_not_mounted_on(top: Path) -> None:
    (top / "work/.idea").symlink_to(top / "out")
    (top / "work/.claude").symlink_to("/nowhere")

    assert not {"work/.idea", "out"} & set(short(top, confining(top).now().protected))
