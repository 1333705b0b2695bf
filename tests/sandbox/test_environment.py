from __future__ import annotations

from pathlib import Path

import pytest

from qcode.sandbox.environment import child_environment, own_environment
from qcode.sandbox.policy import Level, Policy, Tier


def policy(*env_pass: str, roots: tuple[Path, ...] = (Path("/w"),)) -> Policy:
    return Policy(
        level=Level.WORKSPACE_WRITE, roots=roots, home=Path("/h"), env_pass=tuple(env_pass)
    )


def test_what_is_on_the_list_is_handed_on_and_no_secret() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_TIME": "C",
        "PYTHONPATH": "src",
        "GIT_AUTHOR_NAME": "me",
        "TOKENIZERS_PARALLELISM": "false",
        "CONDA_TOKEN": "s",
        "OPENAI_API_KEY": "s",
        "AWS_PROFILE": "s",
        "SSH_AUTH_SOCK": "/a",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x",
        "LD_PRELOAD": "/x.so",
        "BASH_ENV": "/x",
        "FORCE_COLOR": "1",
        "SOMETHING": "else",
        "CFLAGS": "() { evil; }",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://me:pass1@proxy:3128",
    }

    child = child_environment(environ, policy=policy(), tier=Tier.BUBBLEWRAP)

    assert environ.keys() & child.keys() == {
        "PATH", "HOME", "LC_TIME", "PYTHONPATH", "GIT_AUTHOR_NAME", "TOKENIZERS_PARALLELISM",
        "HTTP_PROXY",
    }  # fmt: skip
    assert child["TERM"] == "dumb"
    assert child["GIT_PAGER"] == "cat"
    assert child["QCODE_SANDBOX"] == "1"
    assert "CI" not in child


def test_what_a_person_named_is_handed_on_but_never_the_key_of_the_model() -> None:
    environ = {
        "GITHUB_TOKEN": "ghp_secret", "DATABASE_URL": "postgres://me:pw1@h/d", "OTHER": "1",
        "MODEL_KEY": "k", "COPY": "x sk-123456 y",
    }  # fmt: skip

    child = child_environment(
        environ,
        policy=policy("GITHUB_TOKEN", "DATABASE_URL", "MODEL_KEY", "COPY"),
        tier=Tier.NONE,
        drop=["MODEL_KEY"],
        secrets=["sk-123456", "12345", ""],
    )

    assert environ.keys() & child.keys() == {"GITHUB_TOKEN", "DATABASE_URL"}


@pytest.mark.parametrize(
    "tier, wanted",
    [
        (Tier.BUBBLEWRAP, "/tmp"),
        (Tier.NAMESPACES, "/tmp"),
        (Tier.PODMAN, "/tmp"),
        (Tier.LANDLOCK, "/private"),
        (Tier.SEATBELT, "/private"),
        (Tier.NONE, "/mine"),
    ],
)
def test_temporary_files_go_where_the_tier_lets_them(tier: Tier, wanted: str) -> None:
    child = child_environment({"TMPDIR": "/mine"}, policy=policy(), tier=tier, temp="/private")

    assert child["TMPDIR"] == wanted


def test_private_caches_hold_only_in_a_sandbox() -> None:
    environ = {"PIP_CACHE_DIR": "/mine"}
    caches = {"PIP_CACHE_DIR": "/private/pip"}

    def cache(tier: Tier) -> str:
        child = child_environment(environ, policy=policy(), tier=tier, caches=caches)
        return child["PIP_CACHE_DIR"]

    assert (cache(Tier.LANDLOCK), cache(Tier.NONE)) == ("/private/pip", "/mine")


def test_programs_of_the_workspace_come_last_unless_a_person_activated_them(tmp_path: Path) -> None:
    work, out = tmp_path / "w", tmp_path / "out"
    for folder in (work / "bin", work / ".venv/bin", out):
        folder.mkdir(parents=True)
    (out / "link").symlink_to(work / "bin")
    path = f"{work}/bin:rel:{out}/link::{work}/.venv/bin:{out}:{out}/../w/bin"

    def path_of(environ: dict[str, str]) -> str:
        return child_environment(environ, policy=policy(roots=(work,)), tier=Tier.NONE)["PATH"]

    last = f"{work}/bin:{out}/link"
    assert path_of({"PATH": path}) == f"{out}:{last}:{work}/.venv/bin:{out}/../w/bin"
    assert path_of({"PATH": path, "VIRTUAL_ENV": f"{work}/.venv"}) == (
        f"{work}/.venv/bin:{out}:{last}:{out}/../w/bin"
    )


def test_what_qcode_runs_for_itself_gets_no_secret_and_no_program_of_the_workspace() -> None:
    environ = {
        "PATH": "/w/.venv/bin:bin:/usr/bin", "GIT_INDEX_FILE": "/i", "GITHUB_TOKEN": "t",
        "VIRTUAL_ENV": "/w/.venv", "F": "() { x; }",
    }  # fmt: skip

    assert own_environment(environ, [Path("/w")]) == {
        "PATH": "/usr/bin",
        "GIT_INDEX_FILE": "/i",
        "VIRTUAL_ENV": "/w/.venv",
    }
