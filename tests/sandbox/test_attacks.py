"""The attack cases hold in every tier that this machine has; `vectors.py attacks` runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attack_vectors
import pytest
from thorough import many

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared/sandbox/attacks.jsonl"
MORE = Path(__file__).with_name("attacks-more.jsonl")
"""Written from the rules alone, by somebody who had not seen the sandbox."""
KERNEL_TIERS = ("bubblewrap", "namespaces", "landlock")
TOLD_HEADLESS: Json = {
    "sandbox": "workspace-write",
    "network": "off",
    "approval": "never",
    "mode": "headless",
}
NOT_HELD_BY_LUCK = 0.8
"""This share of the reference's cases has to fail where nothing protects."""


def case(name: str, command: str, check: str, *, must: str = "blocked", **more: Any) -> Json:
    return {
        "id": name,
        "category": "own",
        "description": name,
        "setup": "true",
        "attempt": {"tool": "shell", "args": {"command": command}},
        "policy": TOLD_HEADLESS,
        "must": must,
        "check": check,
        **more,
    }


def run(path: Path, *options: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tests/vectors.py", "attacks", path, *options],
        capture_output=True,
        text=True,
        timeout=timeout,
    )


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plainly(tmp_path: Path) -> Run:
    """Return what runs cases with nothing that protects, as whoever runs the tests."""

    def run_plainly(
        cases: Sequence[Json], *options: str, tier: str = "unprotected"
    ) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in cases) + "\n")
        me = "root" if os.geteuid() == 0 else "user"
        return run(path, "--as", me, "--tier", tier, *options)

    return run_plainly


def names_of_failed(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split(" ")[0] for line in done.stdout.splitlines() if "): must be " in line]


# -- the harness itself


def test_failing_cases_are_named_and_counted(plainly: Run) -> None:
    done = plainly(
        [
            case("holds", "true", "test ! -e $OUT/new.txt"),
            case("fails", "echo x > {OUT}/new.txt", "test ! -e $OUT/new.txt"),
            case("works", "echo fine", "grep -qx fine $CAP/output.txt", must="allowed"),
            case("unasked", "true", "true", must="ask"),
            case("set up wrongly", "true", "true", setup="false"),
        ]
    )

    assert names_of_failed(done) == ["fails", "unasked", "set"]
    assert done.stdout.splitlines()[-1] == "2 passed, 3 failed"
    assert done.returncode == 1


def test_what_a_case_leaves_running_is_ended_with_it(plainly: Run) -> None:
    is_there = "pgrep -fx 'sleep 989[.]5' >/dev/null"
    leaves = f"setsid sleep 989.5 >/dev/null 2>&1 & until {is_there}; do sleep 0.01; done"
    done = plainly([case("leaves", leaves, is_there)])

    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed", done.stdout
    assert subprocess.run(["pgrep", "-fx", "sleep 989[.]5"], stdout=subprocess.DEVNULL).returncode


def test_every_contact_is_logged(plainly: Run) -> None:
    code = (
        "import socket as s; s.create_connection(('127.0.0.1', {TCP})).close(); "
        "s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {UDP})); "
        "s.socket(s.AF_UNIX).connect('{USOCK}'); "
        "s.socket(s.AF_UNIX, s.SOCK_DGRAM).sendto(b'x', '{DSOCK}')"
    )
    check = (
        "for i in $(seq 100); do test $(wc -l < $CAP/net.log) = 4 && break; sleep 0.05; done; "
        'test "$(sort $CAP/net.log | tr "\\n" ,)" = "tcp,udp,unix,unix datagram,"'
    )
    done = plainly([case("contacts", f'{{PY}} -c "{code}"', check)])

    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed", done.stdout


def test_cases_that_a_tier_or_machine_cannot_run_are_counted_as_skipped(plainly: Run) -> None:
    policy = {**TOLD_HEADLESS, "tier": "namespaces"}
    done = plainly(
        [
            case("mounts", "true", "true", policy=policy),
            case("program", "true", "true", needs=["no-such-program"]),
        ],
        tier="landlock",
    )

    *_, skipped, last = done.stdout.splitlines()
    assert skipped == "2 skipped: mounts (not in landlock), program (no no-such-program)"
    assert last == "0 passed, 0 failed"
    assert done.returncode == 0


def test_cases_are_run_by_the_tools_of_a_session(plainly: Run) -> None:
    attempt = [
        {"tool": "write_file", "args": {"path": "new.txt", "content": "one\n"}},
        {"tool": "edit_file", "args": {"path": "new.txt", "old": "one", "new": "two"}},
        {"tool": "read_file", "args": {"path": "new.txt"}},
        {"tool": "list_dir", "args": {"path": "."}},
        {"tool": "search", "args": {"pattern": "two", "path": "."}},
        {"tool": "internal", "args": {"action": "git-status"}},
        {"tool": "shell", "args": {"command": "cat new.txt; exit 3", "timeout_s": 10}},
    ]
    check = (
        'grep -qx "1:two" $CAP/output.txt && grep -q "run_shell_command cat" $CAP/screen.txt && '
        "{PYC} \"import json, os; r = json.load(open(os.environ['CAP'] + '/result.json')); "
        "assert [e['status'] for e in r['results']] == ['ok'] * 6 + ['error'], r; "
        "assert r['exit_code'] == 3, r\""
    )
    done = plainly([case("tools", "", check, must="allowed", attempt=attempt)], tier="off")

    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed", done.stdout


def test_question_is_answered_no_and_kept(plainly: Run) -> None:
    policy = {**TOLD_HEADLESS, "approval": "untrusted", "mode": "interactive"}
    asked = case("asked", "touch pwn", "grep -q 'touch pwn' $CAP/asks.jsonl && test ! -e $WS/pwn")
    done = plainly([{**asked, "must": "ask", "policy": policy}], tier="off")

    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed", done.stdout


def test_part_of_the_cases_can_be_run(plainly: Run) -> None:
    done = plainly([case(name, "true", "true") for name in "abcde"], "--part", "2/3")

    assert done.stdout.splitlines()[-1] == "2 passed, 0 failed", done.stdout


def test_file_that_is_none_is_said_to_be_unusable(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing.jsonl")

    assert done.returncode == 2
    assert "cannot be used" in done.stderr


def test_ids_are_unique_and_most_cases_are_about_what_is_not_allowed() -> None:
    cases = attack_vectors.load(MORE)

    assert len({each["id"] for each in cases}) == len(cases) >= 120
    assert sum(each["must"] != "allowed" for each in cases) > len(cases) / 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_reference_cases_fail_where_nothing_protects() -> None:
    if not REFERENCE.exists():
        pytest.skip("the reference material is not beside this checkout")
    me = "root" if os.geteuid() == 0 else "user"
    parts = many(1, 16)
    failed = names_of_failed(
        run(REFERENCE, "--tier", "unprotected", "--as", me, "--part", f"1/{parts}")
    )
    cases = attack_vectors.load(REFERENCE)[::parts]
    guarded = [each for each in cases if each["must"] != "allowed"]

    assert sum(each["id"] in failed for each in guarded) >= NOT_HELD_BY_LUCK * len(guarded)


# -- the sandbox


@cache
def why_not(tier: str) -> str:
    """Return why a tier cannot be had here, or nothing."""
    user = attack_vectors.chosen_users("root" if os.geteuid() == 0 else "user")[0]
    try:
        base = attack_vectors.base_folder(None, [user])
    except attack_vectors.Unusable as unusable:
        return str(unusable)
    tried = case("tried", "true", "true", must="allowed")
    return str(attack_vectors.verdict(tried, user, base, tier)["why"])


def has_sandbox() -> bool:
    from qcode.config import Settings

    return hasattr(Settings(), "sandbox")


sandboxed = pytest.mark.skipif(not has_sandbox(), reason="the settings have no sandbox yet")


@sandboxed
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tier", KERNEL_TIERS)
@pytest.mark.parametrize("path", [REFERENCE], ids=["reference"])
def test_every_case_holds(path: Path, tier: str) -> None:
    if not path.exists():
        pytest.skip("the reference material is not beside this checkout")
    if why := why_not(tier):
        pytest.skip(f"no {tier} here: {why}")
    # All in all tiers take a quarter of an hour (`make attacks`): each tier has another part.
    parts = len(KERNEL_TIERS) * many(1, 12)
    part = f"{KERNEL_TIERS.index(tier) + 1}/{parts}"
    done = run(path, "--tier", tier, "--part", part, timeout=1800)

    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed"), done.stdout


@sandboxed
@pytest.mark.skipif(sys.platform != "linux", reason="these tiers are Linux's")
def test_some_kernel_tier_could_be_tried() -> None:
    reasons = {tier: why_not(tier) for tier in KERNEL_TIERS}

    assert not all(reasons.values()), reasons
