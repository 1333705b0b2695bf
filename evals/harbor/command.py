"""The shell lines by which a container gets qcode and runs it, for whichever harness."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from qcode.record import Record

PACKAGE = "qcode-agent"
PYTHON = "3.12"
"""Its own, by uv: images have any Python or none, and the task's is not to be touched."""

PATH = 'export PATH="$HOME/.local/bin:$PATH"'
JUDGED = (0, 1, 4, 6)
"""Exit codes of a run that came to its end, done or not: what it left is to be judged. All
others (no endpoint, wrong arguments, no sandbox) are failures of the set-up."""

ENDPOINT = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "QCODE_API_KEY", "QCODE_BASE_URL")
"""Variables of the caller that say where the model is."""


class Files(Record):
    """Paths within the container."""

    instruction: str
    output: str
    errors: str


def install(version: str = "") -> str:
    """Return the script that installs qcode, in this version or in the newest."""
    package = f"{PACKAGE}=={version}" if version else PACKAGE
    return "\n".join(
        (
            "set -eu",
            PATH,
            "if ! command -v uv >/dev/null 2>&1; then",
            # pip where there is one: some images reach a package index and nothing else.
            "  python3 -m pip install --user --quiet uv >/dev/null 2>&1 ||",
            "    curl -LsSf https://astral.sh/uv/install.sh | sh",
            "fi",
            f"uv tool install --quiet --python {PYTHON} {shlex.quote(package)}",
            "qcode --version",
        )
    )


def run(files: Files, options: Mapping[str, str | int | float | None]) -> str:
    """Return the line that has qcode work on an instruction.

    It comes from a file, as one argument has at most 128 KiB. The container is the sandbox.
    `options` are further ones of `qcode run`, without their dashes; None leaves one out.
    """
    more = [
        word
        for name, value in options.items()
        if value is not None
        for word in (f"--{name}", str(value))
    ]
    command = shlex.join(
        ["qcode", "run", "-y", "--sandbox", "external", "-o", "stream-json", *more]
    )
    judged = "|".join(map(str, JUDGED))
    instruction, output, errors = map(shlex.quote, (files.instruction, files.output, files.errors))
    # Not through a pipe to `tee`: its exit code would stand for qcode's.
    return (
        f"{PATH}; rc=0; {command} - <{instruction} >{output} 2>{errors} || rc=$?; "
        f"case $rc in {judged}) ;; *) tail -c 2000 {errors} >&2; exit $rc ;; esac"
    )


def model_variables(name: str | None) -> dict[str, str]:
    """Return the variables that choose the model; harnesses write it as `provider/model`.

    `openai/…` is what they say for any OpenAI-compatible endpoint, so that qcode is told what
    stands behind it; other providers are qcode's own to know.
    """
    if not name:
        return {}
    return {"QCODE_MODEL": name.removeprefix("openai/")}
