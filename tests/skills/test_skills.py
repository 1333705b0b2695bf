"""Skills: which there are, what the model is told of them, and how they are run."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
import scripted_server as scripted
from extended import own, place, skill, trust, written
from outside_temp import outside_temp
from program import Program, repository

from qcode.context import estimate_tokens
from qcode.skills.skill import Skill, skills_in
from qcode.skills.telling import SkillList, Skills, told


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "one = 1\n"})


def found_in(*folders: Path) -> dict[str, Skill]:
    problems: list[str] = []
    found = skills_in([place(folder) for folder in folders], problems)
    assert problems == []
    return found


def said(server: scripted.ScriptedServer, request: int = 0) -> str:
    content = server.requests[request].json["messages"][1]["content"]
    assert isinstance(content, str)
    return content


def test_front_matter_says_what_a_skill_is(tmp_path: Path) -> None:
    more = (
        "allowed-tools: Read, Bash(git add:*)\npaths:\n  - '**/*.pdf'\n"
        "disable-model-invocation: true\nuser-invocable: false\nargument-hint: FILE\n"
    )
    skill(tmp_path, "pdf", "Works on PDFs: all of them", more=more)
    written(tmp_path / "skills/bare/SKILL.md", "---\ndescription: bare\n---\n")
    found = found_in(tmp_path)
    pdf = found["pdf"]
    assert list(found) == ["bare", "pdf"]
    assert pdf.description == "Works on PDFs: all of them"
    assert pdf.allowed == ("Read", "Bash(git add:*)")
    assert (pdf.paths, pdf.hint) == (("**/*.pdf",), "FILE")
    assert (pdf.is_for_model, pdf.is_for_person) == (False, False)
    assert pdf.body() == "Do it."


def test_what_is_wrong_with_a_skill_is_told_in_a_line(tmp_path: Path) -> None:
    project = tmp_path / "p/.claude"
    skill(project, "good")
    skill(tmp_path, "secret")
    written(project / "skills/plain/SKILL.md", "no front matter\n")
    written(project / "skills/up/SKILL.md", "---\nname: ../../up\ndescription: x\n---\n")
    written(project / "skills/odd/SKILL.md", '---\nname: "a\\e[2Jb"\ndescription: x\n---\n')
    (project / "skills/binary").mkdir()
    (project / "skills/binary/SKILL.md").write_bytes(b"\x7fELF\x00\xff")
    (project / "skills/link").mkdir()
    (project / "skills/link/SKILL.md").symlink_to(tmp_path / "skills/secret/SKILL.md")
    (project / "skills/linked").symlink_to(tmp_path / "skills/secret")
    problems: list[str] = []
    found = skills_in([place(project, is_project=True)], problems)
    assert list(found) == ["good"]
    assert len(problems) == 5
    assert all(line.isprintable() for line in problems)
    assert any("no `description`" in line for line in problems)
    assert any("leads out of the project" in line for line in problems)


def test_own_skills_may_be_links_and_the_first_of_a_name_counts(tmp_path: Path) -> None:
    skill(tmp_path / "dotfiles", "linked")
    skill(tmp_path / "one", "same", "the first")
    skill(tmp_path / "two", "same", "the second")
    (tmp_path / "two/skills/linked").symlink_to(tmp_path / "dotfiles/skills/linked")
    found = found_in(tmp_path / "one", tmp_path / "two")
    assert {name: one.description for name, one in found.items()} == {
        "linked": "does linked",
        "same": "the first",
    }


def test_descriptions_are_cut_first_then_names_are_left_out(tmp_path: Path) -> None:
    for number in range(60):
        skill(tmp_path, f"skill-{number:02}", "Very useful where something is done. " * 20)
    skills = list(found_in(tmp_path).values())
    whole = told(skills[:1], 600)
    assert whole.count("Very useful") == 20
    cut = told(skills[:20], 600)
    assert cut.count("- skill-") == 20
    assert cut.count(": Very useful") == 20
    assert "…" in cut
    names = told(skills, 300)
    assert names.count("- skill-") == 60
    assert "useful" not in names
    few = told(skills, 150)
    assert "more)" in few
    for text, tokens in ((whole, 600), (cut, 600), (names, 300), (few, 155)):
        assert estimate_tokens(text) <= tokens + 1
    assert told([], 600) == ""


def test_a_skill_for_certain_files_is_told_where_there_are_some(tmp_path: Path) -> None:
    skill(tmp_path, "rust", more="paths: '**/*.rs'\n")
    skill(tmp_path, "hidden", more="disable-model-invocation: true\n")
    skill(tmp_path, "any")
    found = Skills(found_in(tmp_path), ("`x` is left out: why",))

    def tell(*, there: bool, is_first: bool = True) -> str:
        notes: list[str] = []
        part = SkillList(lambda: found, notes.append, 600, lambda _globs: there)
        text = asyncio.run(part.tell("", is_first=is_first)).before
        assert notes == (["`x` is left out: why"] if is_first else [])
        return text

    assert "- any: does any" in tell(there=False)
    assert "rust" not in tell(there=False)
    assert "- rust" in tell(there=True)
    assert "hidden" not in tell(there=True)
    assert tell(there=True, is_first=False) == ""


def test_skills_are_told_once_read_by_path_and_run_in_the_sandbox(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir=outside_temp()) as home:  # /tmp is another in the sandbox
        monkeypatch.setenv("HOME", home)
        _look_around(work, own("claude"))


def _look_around(work: Path, mine: Path) -> None:
    skill(mine, "count", "Counts things", "Run ./count.sh here.")
    written(mine / "skills/count/count.sh", "echo counted $(ls *.py | wc -l)\n")
    written(mine / ".credentials.json", "the-key")
    skill(work / ".qcode", "local", "Of this project")
    trust(work)
    folder = mine / "skills/count"
    script = [
        scripted.call("read_file", file_path=f"{folder}/SKILL.md"),
        scripted.call("run_shell_command", command=f"sh {folder}/count.sh"),
        scripted.call("run_shell_command", command=f"cat {mine}/.credentials.json; true"),
        scripted.call("read_file", file_path=f"{mine}/.credentials.json"),
        scripted.call("Skill", skill="local", args="now"),
        scripted.call("skill", skill="nope"),
        scripted.text("done"),
        scripted.text("again"),
    ]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        ended = program.run("run", "--no-memory", "-y", "go")
        assert ended.code == 0, ended.err
        program.run("run", "--no-memory", "-c", "more")
    assert said(server).count("SKILL.md") == 2
    assert f"In {mine}/skills:\n- count: Counts things" in said(server)
    assert "In .qcode/skills:\n- local: Of this project" in said(server)
    answers = [m["content"] for m in server.requests[6].json["messages"] if m["role"] == "tool"]
    assert "Run ./count.sh here." in answers[0]
    assert "counted 1" in answers[1]
    assert "the-key" not in answers[2]
    assert "the-key" not in answers[3]
    assert '<skill name="local"' in answers[4]
    assert "Do it.\n\nnow" in answers[4]
    assert "There is no skill nope. There are: count, local." in answers[5]
    # The tools and the system prompt are the same as without skills.
    with scripted.ScriptedServer([scripted.text("x")]) as plain:
        (work.parent / "other").mkdir()
        environ = {"HOME": str(work.parent / "none")}
        Program(work.parent / "other", plain.base_url, environ=environ).run("run", "hi")
    assert plain.requests[0].json["tools"] == server.requests[0].json["tools"]
    assert plain.requests[0].json["messages"][0] == server.requests[0].json["messages"][0]


def test_nothing_is_loaded_where_nobody_added_anything(work: Path) -> None:
    code = (
        "import sys\nfrom qcode.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "names = ('yaml', 'qcode.skills', 'qcode.commands', 'qcode.subagents')\n"
        "print([n for n in sys.modules if n.startswith(names)])\n"
    )
    import subprocess
    import sys

    with scripted.ScriptedServer([scripted.text("fine")]) as server:
        program = Program(work, server.base_url)
        ended = subprocess.run(
            [sys.executable, "-P", "-c", code, "run", "hi"],
            cwd=work,
            env={**program.environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr
