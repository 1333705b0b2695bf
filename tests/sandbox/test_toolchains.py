from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcode.sandbox.toolchains import toolchains


@pytest.fixture
def temp() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder).resolve()


@pytest.mark.skipif(not Path("/tmp").resolve().samefile("/tmp"), reason="/tmp is elsewhere")
def test_what_the_path_needs_below_tmp_is_found(temp: Path) -> None:
    for name in ("venv/bin", "scripts", "active", "root/.venv/bin"):
        (temp / name).mkdir(parents=True)
    path = ["venv/bin", "scripts", "root/.venv/bin", "missing/bin"]
    environ = {
        "PATH": ":".join(["/usr/bin", "", ".", "/tmp", *(f"{temp}/{name}" for name in path)]),
        "VIRTUAL_ENV": f"{temp}/active/",
    }

    found = toolchains(environ, [str(temp / "root")])

    assert found == [f"{temp}/{name}" for name in ("active", "venv", "scripts")]


def test_tmp_itself_is_never_shown() -> None:
    assert toolchains({"PATH": "/tmp/bin:/tmp:/tmp/", "VIRTUAL_ENV": "/tmp"}, []) in (
        [],
        ["/tmp/bin"],
    )
