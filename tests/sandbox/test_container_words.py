"""What a container engine is told."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest

from qcode.sandbox import container_words as words
from qcode.sandbox.policy import MIB, Confinement, Limits, Network, Tier
from qcode.sandbox.unavailable import Unavailable


def _run(
    confinement: Confinement, *, tier: Tier = Tier.DOCKER, uid: int = 1000, **more: str
) -> list[str]:
    return words.run(
        tier, "image", confinement, name="n", roots=["/w"], uid=uid, gid=1000, **more
    )  # fmt: skip


def _options(told: list[str], name: str) -> list[str]:
    return [value for option, value in pairwise(told) if option == name]


def test_a_container_may_do_as_little_as_possible() -> None:
    limits = Limits(processes=99, open_files=77, file_bytes=5, temp_bytes=8, memory_bytes=MIB)
    told = _run(Confinement(writable=("/w",), limits=limits))
    assert told[0] == "run"
    assert "--rm" in told
    assert "--read-only" in told
    assert "--privileged" not in told
    assert _options(told, "--network") == ["none"]
    assert _options(told, "--cap-drop") == ["ALL"]
    assert "no-new-privileges" in _options(told, "--security-opt")
    assert _options(told, "--user") == ["1000:1000"]
    assert _options(told, "--pids-limit") == ["99"]
    assert _options(told, "--memory") == _options(told, "--memory-swap") == [str(MIB)]
    assert _options(told, "--ulimit") == ["core=0:0", "nofile=77:77", "fsize=5:5"]
    assert _options(told, "--tmpfs")[0] == "/tmp:rw,exec,nosuid,nodev,size=8,mode=1777"
    assert _options(told, "--mount") == ["type=bind,dst=/w,src=/w"]
    assert _options(told, "--pull") == ["never"]


def test_the_network_is_the_engines_own_where_it_is_on() -> None:
    assert _options(_run(Confinement(network=Network.ON)), "--network") == []
    assert _options(_run(Confinement(), shared="other"), "--network") == ["container:other"]
    with pytest.raises(Unavailable, match="proxy"):
        _run(Confinement(network=Network.PROXY))


def test_a_user_keeps_the_own_number_in_podman() -> None:
    assert _options(_run(Confinement(), tier=Tier.PODMAN), "--userns") == ["keep-id"]
    assert _options(_run(Confinement(), tier=Tier.PODMAN, uid=0), "--userns") == []
    assert _options(_run(Confinement()), "--userns") == []


def test_mounts_are_what_is_confined(tmp_path: Path) -> None:
    top = str(tmp_path)
    told = words.run(
        Tier.DOCKER,
        "image",
        Confinement(
            writable=(f"{top}/w",),
            pinned=(f"{top}/w/.git",),
            protected=(f"{top}/w/.git/config",),
            hidden=("/home/somebody/.ssh", f"{top}/r", f"{top}/w/.env"),
        ),
        name="n",
        roots=[top, f"{top}/w"],
        uid=0,
        gid=0,
    )
    (tmp_path / "r").mkdir()
    assert _options(told, "--mount") == [
        f"type=bind,dst={top},src={top},readonly",
        f"type=bind,dst={top}/w,src={top}/w",
        f"type=bind,dst={top}/w/.git,src={top}/w/.git",
        f"type=bind,dst={top}/w/.git/config,src={top}/w/.git/config,readonly",
        f"type=bind,dst={top}/r,src=/dev/null,readonly",
        f"type=bind,dst={top}/w/.env,src=/dev/null,readonly",
    ]


def test_what_hides_a_directory_is_empty(tmp_path: Path) -> None:
    for tier, more in ((Tier.DOCKER, ""), (Tier.PODMAN, ",notmpcopyup")):
        told = words.run(
            tier,
            "image",
            Confinement(hidden=(str(tmp_path),)),
            name="n",
            roots=[str(tmp_path.parent)],
            uid=0,
            gid=0,
        )
        fields = f"dst={tmp_path},tmpfs-size=4096,tmpfs-mode=0555,ro{more}"
        assert _options(told, "--mount")[1:] == [f"type=tmpfs,{fields}"]


def test_a_read_only_policy_mounts_the_workspace_read_only() -> None:
    assert _options(_run(Confinement()), "--mount") == ["type=bind,dst=/w,src=/w,readonly"]


def test_odd_paths_stay_one_field() -> None:
    path = '/w/a,readonly=false,"b:c\nd'
    mount = _options(_run(Confinement(writable=(path,))), "--mount")[1]
    (fields,) = csv.reader(mount.splitlines(keepends=True))
    assert fields == ["type=bind", f"dst={path}", f"src={path}"]


def test_a_command_gets_what_is_true_in_the_container() -> None:
    told = words.run_in(
        "n", ["a", "b c"], cwd="/w/x", env={"PATH": "/p", "HOME": "/h", "K": "v w"}, stdin=False
    )
    assert told == ["exec", "--workdir", "/w/x", "--env", "K=v w", "n", "a", "b c"]
    assert "--interactive" in words.run_in("n", ["a"], cwd="/", env={}, stdin=True)
