"""Permission rules: how they are read, and for what they hold."""

from __future__ import annotations

import pytest

from qcode.errors import UsageError
from qcode.permissions import Verdict
from qcode.rules import Rules, rules_of
from qcode.shell.propose import proposals
from qcode.shell.words import Unknown, read

ROOT = "/w"


def allows(rule: str, command: str) -> bool:
    rules, warnings = rules_of(allow=[rule])
    assert warnings == ()
    parts = read(command)
    if isinstance(parts, Unknown):
        return rules.allows_text(command)
    return all(map(rules.allows, parts))


@pytest.mark.parametrize(
    "rule, command, is_allowed",
    [
        ("shell(pytest *)", "pytest", True),
        ("shell(pytest *)", "pytest -q tests", True),
        ("shell(pytest *)", "pytest tests/*.py", True),
        ("shell(pytest *)", "pytestx", False),
        ("shell(pytest *)", "py*", False),
        ("shell(pytest *)", "pytest; rm x", False),
        ("shell(pytest *)", "pytest | tee x", False),
        ("shell(pytest *)", "pytest $(rm x)", False),
        ("shell(pytest *)", "pytest > src/app.py", False),
        ("shell(pytest *)", "PATH=. pytest", False),
        ("shell(pytest *)", "./pytest", False),
        ("shell(npm run build)", "npm run build", True),
        ("shell(npm run build)", "npm run build --x", False),
        ("shell(npm run test:*)", "npm run test:unit", True),
        ("shell(npm run test:*)", "npm run build", False),
        ("shell('a b' *)", "'a b' c", True),
        ("shell(echo '*')", "echo '*'", True),
        ("shell(echo '*')", "echo x", False),
        ("shell(make $(x))", "make $(x)", True),
        ("shell(make $(x))", "make $(y)", False),
        ("shell(*)", "make $(y) > z", True),
    ],
)
def test_a_rule_allows_the_words_it_says(rule: str, command: str, *, is_allowed: bool) -> None:
    assert allows(rule, command) is is_allowed


@pytest.mark.parametrize(
    "command, verdict",
    [
        ("git push", Verdict.DENY),
        ("git push origin main", Verdict.DENY),
        ("ls && git push", Verdict.DENY),
        ("bash -c 'git push'", Verdict.DENY),
        ("git -C x push", Verdict.DENY),
        ("g''it pu\\sh", Verdict.DENY),
        ("/usr/bin/git push", Verdict.DENY),
        ("true; " * 80 + "git push", Verdict.DENY),
        ("git $X", Verdict.ASK),
        ("$X push", Verdict.ASK),
        ("git pu*", Verdict.ASK),
        ("git pull", None),
        ("echo git push", None),
        ("npm install", Verdict.ASK),
        ("ls; npm install", Verdict.ASK),
        ("npm install; git push", Verdict.DENY),
    ],
)
def test_a_denying_rule_holds_for_all_that_is_seen(command: str, verdict: Verdict | None) -> None:
    rules, _ = rules_of(deny=["shell(git push)"], ask=["shell(npm *)"])

    ruling = rules.on_command(command, ROOT, ROOT)

    assert (ruling.verdict if ruling else None) == verdict


@pytest.mark.parametrize(
    "command, is_denied",
    [
        ("echo x > src/gen/a.py", True),
        ("echo x >> ./src/../src/gen/a.py", True),
        ("rm src/gen/a.py", True),
        ("cd src && rm gen/a.py", True),
        ("sed -i s/a/b/ src/gen/a.py", True),
        ("cp a src/gen", True),
        ("dd of=src/gen/a.py", True),
        ("cat src/gen/a.py", False),
        ("python src/gen/a.py", False),
        ("rm src/other.py", False),
        ("cat notes/secret.txt", True),
        ("grep -f notes/secret.txt x", True),
        ("cat < notes/secret.txt", True),
        ("cp notes/secret.txt x", True),
        ("cat notes/open.txt", False),
    ],
)
def test_file_rules_hold_for_the_shell(command: str, *, is_denied: bool) -> None:
    rules, _ = rules_of(deny=["edit(src/gen/**)", "read(secret.txt)"])

    assert (rules.on_command(command, ROOT, ROOT) is not None) is is_denied


@pytest.mark.parametrize(
    "rule, path, matches",
    [
        ("edit(src/**)", "/w/src/a/b.py", True),
        ("edit(src/**)", "/w/srcx/a", False),
        ("edit(src/**)", "/w/lib/src/a", False),
        ("edit(src)", "/w/src/a", True),
        ("edit(*.md)", "/w/docs/a.md", True),
        ("edit(./*)", "/w/a", True),
        ("edit(./*)", "/w/docs/a", False),
        ("edit(docs/*)", "/w/docs/a", True),
        ("edit(docs/*)", "/w/docs/a/b", False),
        ("edit(**/gen/*.py)", "/w/a/b/gen/x.py", True),
        ("edit(docs/*/**)", "/w/docs/a/b", True),
        ("edit(/etc/**)", "/etc/x", True),
        ("edit(/etc)", "/w/etc/x", False),
        ("edit", "/w/a", True),
    ],
)
def test_a_glob_means_files(rule: str, path: str, *, matches: bool) -> None:
    found = rules_of(deny=[rule])[0].on_paths("edit", [(path,)], ROOT)

    assert (found is not None) is matches


def test_deny_wins_over_ask_over_allow_and_both_forms_of_a_path_count() -> None:
    rules, _ = rules_of(allow=["edit(**)"], ask=["edit(src/**)"], deny=["edit(src/gen/**)"])

    def verdict(*forms: str) -> Verdict | None:
        found = rules.on_paths("edit", [forms], ROOT)
        return found.verdict if found else None

    assert verdict("/w/a", "/w/a") is Verdict.ALLOW
    assert verdict("/w/src/a", "/w/src/a") is Verdict.ASK
    assert verdict("/w/link", "/w/src/gen/a") is Verdict.DENY
    assert verdict("/w/src/gen/link", "/w/a") is Verdict.DENY
    assert Rules().on_paths("edit", [("/w/a",)], ROOT) is None


def test_the_sandbox_is_told_what_is_denied() -> None:
    rules, _ = rules_of(deny=["edit(src/**)", "read(*.pem)", "shell(ls)"], ask=["edit(a)"])

    assert (rules.denied("edit"), rules.denied("read")) == (("src/**",), ("*.pem",))


def test_what_must_not_be_read_must_not_be_edited() -> None:
    rules, _ = rules_of(deny=["read(secret)"])

    assert rules.on_paths("edit", [("/w/secret",)], ROOT) is not None


def test_tools_are_meant_by_their_names() -> None:
    rules, _ = rules_of(allow=["mcp(github:*)", "todo_write"], deny=["mcp(github:delete_*)"])

    def verdict(name: str) -> Verdict | None:
        found = rules.on_tool(name)
        return found.verdict if found else None

    assert verdict("mcp__github__list") is Verdict.ALLOW
    assert verdict("mcp__github__delete_repo") is Verdict.DENY
    assert verdict("mcp__gitlab__list") is None
    assert verdict("todo_write") is Verdict.ALLOW


@pytest.mark.parametrize(
    "text, nearest",
    [
        ("bash(ls)", "shell(ls)"),
        ("Bash(pytest *)", "shell(pytest *)"),
        ("shel(ls)", "shell(ls)"),
        ("write(src/**)", "edit(src/**)"),
        ("pytest *", "shell(pytest *)"),
        ("shell", "shell(*)"),
        ("shell()", "shell(*)"),
        ("(ls)", "shell(ls)"),
        ("", "shell(pytest *)"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_nearest_one(text: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        rules_of(allow=[text])

    assert nearest in caught.value.hint


@pytest.mark.parametrize("text", ["shell(rm -rf ~)", "shell(a; b)", "shell(echo $x)"])
def test_a_rule_that_would_never_deny_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        rules_of(deny=[text])


@pytest.mark.parametrize(
    "text",
    [
        "shell(bash *)", "shell(sh -c *)", "shell(python *)", "shell(python3 -c *)",
        "shell(node *)", "shell(python3.12 *)", "shell(env *)", "shell(sudo *)", "shell(xargs *)",
        "shell(find *)",
        "shell(git *)", "shell(git -c *)", "shell(ssh *)", "shell(docker *)", "shell(make -f *)",
        "shell(npx *)", "shell(uvx *)", "shell(curl *)", "shell(/bin/bash *)", "shell(p* x)",
        "shell(* push)", "run_shell_command",
    ],
)  # fmt: skip
def test_a_rule_that_allows_anything_is_left_out_and_told(text: str) -> None:
    rules, warnings = rules_of(allow=[text])

    assert rules == Rules()
    assert len(warnings) == 1
    assert text in warnings[0]


@pytest.mark.parametrize(
    "text",
    ["shell(*)", "shell(git status *)", "shell(python -m pytest *)", "shell(make test)",
     "shell(bash run.sh)", "shell(find . -delete)", "shell(python manage.py *)"],
)  # fmt: skip
def test_a_rule_that_says_what_it_allows_is_kept(text: str) -> None:
    rules, warnings = rules_of(allow=[text])

    assert len(rules.allow) == 1
    assert warnings == ()


def test_only_a_rule_that_says_so_allows_what_loses_work() -> None:
    rules, _ = rules_of(
        allow=["shell(*)", "shell(git checkout *)", "shell(git reset --hard *)", "shell(pytest *)"]
    )

    assert [rule.text for rule in rules.destroying(ROOT).allow] == ["shell(git reset --hard *)"]


@pytest.mark.parametrize(
    "command, proposed",
    [
        ("pytest tests/test_a.py -k x", ("shell(pytest *)",)),
        ("python -m pytest -q", ("shell(python -m pytest *)",)),
        ("cargo test --all", ("shell(cargo test *)",)),
        ("npm run build", ("shell(npm run build)",)),
        ("git commit -m 'a b'", ("shell(git commit -m 'a b')",)),
        ("curl -s x", ("shell(curl -s x)",)),
        ("find . -delete", ("shell(find . -delete)",)),
        ("ruff check && pytest -q", ("shell(ruff check *)", "shell(pytest *)")),
        ("echo '*'", ("shell(echo '*')",)),
        ("make *", ()),
        ("pytest -q; make *", ()),
        ('echo "it\'s"', ('shell(echo "it\'s")',)),
    ],
)
def test_always_is_as_narrow_as_it_is_of_use(command: str, proposed: tuple[str, ...]) -> None:
    parts = read(command)
    assert not isinstance(parts, Unknown)

    assert proposals(parts) == proposed
    if proposed:
        rules, warnings = rules_of(allow=proposed)
        assert warnings == ()
        assert all(map(rules.allows, parts))
