"""sdist and wheel for real: the fixed layout must arrive as one package (docs/decisions/0001)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import qcode
import qcode.tools

ROOT = Path(__file__).resolve().parent.parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = CONFIG["project"]
SETUPTOOLS = CONFIG["tool"]["setuptools"]
WORKPLACES = {"demo", "suites", "toolcalls"}
"""Folders in evals/ with repositories to work on: data, whatever is in them."""


def files(folder: Path, *, skip: set[str] | None = None) -> dict[str, Path]:
    """Files below a folder by relative path; links to folders are not followed."""
    found = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in {"__pycache__", *(skip or ())}]
        for name in names:
            path = Path(top, name)
            found[path.relative_to(folder).as_posix()] = path
    return found


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind: str, source: Path, into: Path) -> Path:
    into.mkdir()
    code = f"import setuptools.build_meta as b, sys; b.build_{kind}(sys.argv[1])"
    run(sys.executable, "-c", code, into, cwd=source)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that building leaves nothing in it."""
    copy = tmp_path_factory.mktemp("packaging") / "tree"
    unwanted = shutil.ignore_patterns(
        *(".git", ".venv*", ".demo", ".evals", ".*_cache", ".hypothesis", "__pycache__"),
        *("build", "dist", "*.egg-info"),
    )
    return Path(shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted))


@pytest.fixture(scope="module")
def sdist(tree: Path) -> Path:
    return build("sdist", tree, tree.parent / "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """Built as releases are: by pip, from the sdist."""
    into = sdist.parent.parent / "wheel"
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", into, sdist, cwd=sdist.parent)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The `bin` of a new environment with the wheel, and the dependencies of this one."""
    where = wheel.parent.parent / "installed"
    run(sys.executable, "-m", "venv", "--without-pip", where, cwd=wheel.parent)
    pip = (sys.executable, "-m", "pip", "--python", where / "bin/python")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=wheel.parent)
    # A path in a .pth is only appended: the editable qcode of this environment stays out.
    (packages,) = where.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return where / "bin"


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}


def test_every_package_is_listed() -> None:
    found = {
        ".".join([name, *Path(init).parent.parts])
        for name, folder in SETUPTOOLS["package-dir"].items()
        for init in files(ROOT / folder, skip=WORKPLACES)
        if init.endswith("__init__.py")
    }

    assert sorted(found) == sorted(SETUPTOOLS["packages"])


def test_the_linked_folders_are_the_folders_at_the_top() -> None:
    for name in ("tools", "prompts", "evals"):
        assert (ROOT / "qcode" / name).readlink() == Path("..", name)


def test_nothing_is_imported_under_a_name_at_the_top() -> None:
    assert Path(qcode.tools.__file__ or "").resolve() == ROOT / "tools/__init__.py"
    assert not {"tools", "prompts", "evals"} & set(sys.modules)


def test_one_version() -> None:
    assert qcode.__version__ == PROJECT["version"]


def test_the_dev_group_is_the_dev_extra() -> None:
    assert CONFIG["dependency-groups"]["dev"] == PROJECT["optional-dependencies"]["dev"]


def test_the_lock_pins_and_hashes_everything_and_names_no_registry() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())

    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"https?:|file:|index|find-links|localhost", text)
    pinned = {entry.split("==")[0] for entry in entries}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert {re.split(r"[<>=!~;\s\[]", one)[0] for one in wanted} <= pinned


@pytest.mark.slow
def test_the_wheel_is_one_package_and_whole(wheel: Path, tree: Path) -> None:
    names = set(contents(wheel))
    info = f"qcode_agent-{PROJECT['version']}.dist-info"

    assert {name.split("/")[0] for name in names} == {"qcode", info}
    expected = {
        f"{name.replace('.', '/')}/{file}"
        for name, folder in SETUPTOOLS["package-dir"].items()
        for file in files(tree / folder, skip={"results"})
        if file != "RESULTS.md"  # what was measured is no use to who installs it
    }
    assert names - expected == {
        f"{info}/{file}"
        for file in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")
    } | {f"{info}/licenses/LICENSE"}
    assert expected - names == set()


@pytest.mark.slow
def test_sdist_and_tree_make_the_same_wheel(wheel: Path, tree: Path) -> None:
    direct = contents(build("wheel", tree, tree.parent / "direct"))
    from_sdist = contents(wheel)

    assert set(direct) == set(from_sdist)
    assert [name for name in direct if direct[name] != from_sdist[name]] == []


@pytest.mark.slow
def test_the_sdist_has_what_a_distributor_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "README.md", "CHANGELOG.md", "constraints.txt", "Makefile"} <= names
    assert {"tools/base.py", "prompts/system.md", "tests/test_packaging.py"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("start", ["qcode", "python -m qcode"])
def test_it_runs_in_a_folder_with_the_same_names(
    installed: Path, tmp_path: Path, start: str
) -> None:
    for name in ("tools", "prompts", "evals", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "tools.py").write_text("raise SystemExit('the wrong one')\n")
    program, *rest = start.split()

    version = run(installed / program, *rest, "--version", cwd=tmp_path)
    usage = run(installed / program, *rest, "run", "--help", cwd=tmp_path)

    assert version == f"qcode {PROJECT['version']}\n"
    assert "--verify" in usage


@pytest.mark.slow
def test_it_finds_its_data_when_installed(installed: Path, tmp_path: Path) -> None:
    code = (
        "import qcode.prompts, qcode.tools, importlib.resources as r;"
        "print(qcode.tools.__file__);"
        "print(r.files('qcode.prompts').joinpath('system.md').is_file(),"
        "r.files('qcode').joinpath('py.typed').is_file(),"
        "r.files('qcode.evals').joinpath('demo/wordstats/counts.py').is_file())"
    )
    place, found = run(installed / "python", "-P", "-c", code, cwd=tmp_path).splitlines()

    assert Path(place).is_relative_to(installed.parent)
    assert found == "True True True"


def test_a_fresh_clone_runs_without_an_install(tmp_path: Path, tree: Path) -> None:
    version = run(sys.executable, "-S", "-m", "qcode", "--version", cwd=tree)

    assert version == f"qcode {PROJECT['version']}\n"
