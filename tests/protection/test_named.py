"""Which files commands are seen to run, and which not."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcode.protection.named import named

FILES = {
    "app.py": "print(input())\n",
    "tool.py": "import app\nassert app\n",
    "check.sh": "cd sub && ./inner.sh\npython verify.py\n",
    "sub/inner.sh": "node test.js\n",
    "verify.py": "import app\n",
    "test.js": "",
    "expected.txt": "",
    "input.txt": "",
    "README.md": "",
    "pkg/__init__.py": "",
    "pkg/selftest.py": "",
    "Makefile": "include more.mk\nall: test\ntest: unit\nunit:\n\t@sh unit.sh\nclean:\n\trm a.sh\n",
    "more.mk": "",
    "unit.sh": "",
    "clean.sh": "",
    "package.json": '{"scripts": {"test": "node verify.js", "pretest": "sh clean.sh"}}',
    "verify.js": "",
}
CASES = {
    "sh check.sh": ["check.sh", "sub/inner.sh", "verify.py", "test.js"],
    "./check.sh": ["check.sh", "sub/inner.sh", "verify.py", "test.js"],
    "make test": ["Makefile", "more.mk", "unit.sh"],
    "make": ["Makefile", "more.mk", "unit.sh"],
    "npm test": ["clean.sh", "package.json", "verify.js"],
    "python app.py": [],
    "python tool.py": ["tool.py"],
    "python -m pkg.selftest": ["pkg/selftest.py"],
    "python app.py < input.txt | diff - expected.txt": ["expected.txt", "input.txt"],
    "ruff check app.py tool.py": [],
    "grep -q word README.md": [],
    "env A=1 uv run python verify.py --strict": ["verify.py"],
    "pytest -q": [],
    "sh $SCRIPT; sh *.sh; sh missing.sh; '": [],
}


@pytest.mark.parametrize("command", CASES)
def test_files_of_commands(command: str, tmp_path: Path) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    found = named(tmp_path, [command])

    entry = [] if command != "npm test" else ["package.json"]
    assert sorted({*found.scripts, *found.data, *entry}) == sorted(CASES[command])
