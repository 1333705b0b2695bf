"""What a failing import could have meant, told beside the failure: Python alone. Pure.

A small model reads the name that is not there as one that is, and writes it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

_MODULE = re.compile(r"\bNo module named ['\"](\w+(?:\.\w+)*)['\"]")
_NAME = re.compile(
    r"\bcannot import name ['\"](\w+)['\"] from (?:partially initialized module )?"
    r"['\"](\w+(?:\.\w+)*)['\"]"
)
_MOST = 8
"""Modules of a package that are told."""


def told(failing: str, paths: Iterable[str], defined: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each name of the project that an import did not find.

    `paths` are the project's files, `defined` the names that some of them define.
    """
    modules = {_dotted(path): path for path in paths if path.endswith(".py")}
    found = []
    for name in dict.fromkeys(_MODULE.findall(failing)):
        found += _module(name, modules)
    for name, module in dict.fromkeys(_NAME.findall(failing)):
        elsewhere = [path for path, names in defined.items() if name in names]
        where = next((path for dotted, path in modules.items() if _ends(dotted, module)), module)
        if elsewhere and where not in elsewhere:
            found.append(f"{where} does not define {name}; {' and '.join(elsewhere)} does.")
    return found


def _module(name: str, modules: Mapping[str, str]) -> list[str]:
    """Tell what modules there are in the place of one that is not there."""
    package, _, last = name.rpartition(".")
    beside = {
        dotted.rpartition(".")[2]: path
        for dotted, path in sorted(modules.items())
        if not package or _ends(dotted.rpartition(".")[0], package)
    }
    close = get_close_matches(last, beside, n=_MOST, cutoff=0.6)
    if not package and not close:
        return []  # of another project
    there = [beside[each] for each in (close or list(beside)[:_MOST])]
    if not there:
        return []
    return [f"There is no module {name}. There is {' and '.join(there)}."]


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _ends(dotted: str, name: str) -> bool:
    return dotted == name or dotted.endswith(f".{name}")
