"""A large tree of made-up source files in several languages, always the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

_LINES = 100
"""Of each file, roughly."""
_WORDS = (
    "account batch cache channel cursor digest entry event field filter frame handler index "
    "journal kernel ledger mapper node offset packet parser queue reader record request route "
    "schema segment session signal socket stream table ticket token trace tree user vector view "
    "window worker writer"
)
_VERBS = "add apply build check close decode drain encode fetch flush join load merge open split"


class _Names:
    """Names that files define and use."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._nouns = _WORDS.split()
        self._verbs = _VERBS.split()

    def noun(self) -> str:
        return self.random.choice(self._nouns)

    def type(self) -> str:
        return self.noun().title() + self.noun().title() + str(self.random.randrange(400))

    def function(self) -> str:
        return f"{self.random.choice(self._verbs)}_{self.noun()}_{self.random.randrange(900)}"

    def camel(self) -> str:
        first, *rest = self.function().split("_")
        return first + "".join(part.title() for part in rest)


def _python(n: _Names) -> list[str]:
    lines = [f"class {n.type()}({n.type()}):", f'    """Keeps the {n.noun()} of a {n.noun()}."""']
    for _ in range(3):
        lines += [
            "",
            f"    def {n.function()}(self, {n.noun()}: int, {n.noun()}2: str = '') -> bool:",
            f"        # The {n.noun()} comes before the {n.noun()}.",
            f"        result = {n.function()}({n.noun()}, self.{n.noun()})",
            "        if not result:",
            f"            raise ValueError('no {n.noun()}')",
            f"        return self.{n.function()}(result)",
        ]
    return [*lines, "", f"{n.noun().upper()} = {n.function()}()", ""]


def _typescript(n: _Names) -> list[str]:
    lines = [f"export class {n.type()} extends {n.type()} {{"]
    for _ in range(3):
        lines += [
            f"  /** Keeps the {n.noun()} of a {n.noun()}. */",
            f"  async {n.camel()}({n.noun()}: number, other?: {n.type()}): Promise<void> {{",
            f"    const {n.noun()} = await this.{n.camel()}(other);",
            f"    if (!{n.noun()}) {{",
            f"      throw new Error(`no {n.noun()} ${{other}}`);",
            "    }",
            "  }",
        ]
    return [*lines, "}", f"export const {n.camel()} = (a: {n.type()}) => {n.camel()}(a);", ""]


def _go(n: _Names) -> list[str]:
    kind = n.type()
    lines = [f"// {kind} keeps a {n.noun()}.", f"type {kind} struct {{", f"\t{n.type()}", "}", ""]
    for _ in range(3):
        lines += [
            f"func (s *{kind}) {n.camel().title()}({n.noun()} int) (string, error) {{",
            f"\t{n.noun()}, err := {n.camel()}({n.noun()})",
            "\tif err != nil {",
            f'\t\treturn "", fmt.Errorf("no {n.noun()}: %w", err)',
            "\t}",
            "\treturn s.name, nil",
            "}",
            "",
        ]
    return lines


def _java(n: _Names) -> list[str]:
    lines = [f"class {n.type()} extends {n.type()} implements {n.type()} {{"]
    for _ in range(3):
        lines += [
            f"    /** Keeps the {n.noun()}. */",
            f"    public {n.type()} {n.camel()}(int {n.noun()}, String name) {{",
            f"        {n.type()} value = {n.camel()}(name);",
            "        if (value == null) {",
            f'            throw new IllegalStateException("no {n.noun()}");',
            "        }",
            "        return value;",
            "    }",
        ]
    return [*lines, "}", ""]


def _rust(n: _Names) -> list[str]:
    kind = n.type()
    lines = [f"pub struct {kind} {{", f"    {n.noun()}: u32,", "}", "", f"impl {kind} {{"]
    for _ in range(3):
        lines += [
            f"    /// Keeps the {n.noun()}.",
            f"    pub fn {n.function()}(&self, {n.noun()}: &str) -> Option<{n.type()}> {{",
            f"        let found = {n.function()}(self.{n.noun()})?;",
            f'        log::debug!("a {n.noun()}: {{}}", found);',
            "        Some(found.into())",
            "    }",
        ]
    return [*lines, "}", ""]


def _cpp(n: _Names) -> list[str]:
    kind = n.type()
    lines = [f"class {kind} : public {n.type()} {{", " public:", f"  int {n.camel()}(int a);", "};"]
    for _ in range(3):
        lines += [
            f"int {kind}::{n.camel()}(const std::string& {n.noun()}) {{",
            f"  // The {n.noun()} comes first.",
            f"  auto {n.noun()} = {n.camel()}({n.noun()}.size());",
            f"  if ({n.noun()} < 0) return -1;",
            f"  return {n.camel()}(static_cast<int>({n.noun()}));",
            "}",
            "",
        ]
    return lines


_KINDS: dict[str, tuple[Callable[[_Names], list[str]], str]] = {
    "py": (_python, "from __future__ import annotations\n"),
    "ts": (_typescript, "import { open } from './open';\n"),
    "go": (_go, "package main\n"),
    "java": (_java, "package org.example;\n"),
    "rs": (_rust, "use std::fmt;\n"),
    "cc": (_cpp, "#include <string>\n"),
}


def make(root: Path, count: int) -> int:
    """Write so many files; return how many lines they have."""
    names = _Names(1)
    total = 0
    folder = root
    for number in range(count):
        if number % 20 == 0:
            folder = root / f"part{number // 500}" / f"{names.noun()}{number // 20}"
            folder.mkdir(parents=True, exist_ok=True)
        kind = list(_KINDS)[number % len(_KINDS)]
        write, head = _KINDS[kind]
        lines = head.split("\n")
        while len(lines) < _LINES:
            lines += write(names)
        text = "\n".join(lines) + "\n"
        (folder / f"{names.function()}_{number}.{kind}").write_text(text)
        total += len(lines)
    return total
