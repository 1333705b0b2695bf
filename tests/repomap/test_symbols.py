from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.repomap.languages import _TABLES, grammar, patterns
from qcode.repomap.symbols import symbols

SOURCES = {
    "a.py": (
        ("X = 1\n@dec\nclass A(B):\n    y = 2\n    async def f(\n        self,\n        a: int,\n"
        "    ) -> int:\n        def inner(): ...\n        return 1\n\ndef g(): pass\n"),
        [
            "1 value X: X = 1", "3 class A: class A(B)",
            "5  method A.f: async def f(self, a: int) -> int",
            "9   function A.f.inner: def inner()", "12 function g: def g()",
        ],
    ),
    "a.js": (
        ("export class A extends B {\n  m(a) {}\n  static n() {}\n}\nexport const f = (a) => 1\n"
        "A.prototype.k = function (b) {}\nexports.z = () => 1\nconst LIMIT = 3\n"),
        [
            "1 class A: export class A extends B", "2  method A.m: m(a)",
            "3  method A.n: static n()", "5 function f: export const f = (a)",
            "6 method A.k: A.prototype.k = function (b)", "7 function z: exports.z = ()",
            "8 value LIMIT: const LIMIT = 3",
        ],
    ),
    "a.ts": (
        ("export interface I { m(a: string): void }\ntype T = string;\nenum E { A }\n"
        "abstract class C { abstract f(): void; g<T>(a: T): T { return a } }\n"),
        [
            "1 interface I: export interface I", "1  method I.m: m(a: string): void",
            "2 type T: type T = string", "3 enum E: enum E", "4 class C: abstract class C",
            "4  method C.f: abstract f(): void", "4  method C.g: g<T>(a: T): T",
        ],
    ),
    "a.tsx": (
        "export function App(p: Props) { return <b/> }\n",
        ["1 function App: export function App(p: Props)"],
    ),
    "a.go": (
        ("package p\nfunc F(a int) int { return 1 }\nfunc (r *T) M() {}\ntype T struct { A int }\n"
        "type I interface { M() }\nconst C = 1\n"),
        [
            "2 function F: func F(a int) int", "3 method T.M: func (r *T) M()",
            "4 type T: type T struct", "5 type I: type I interface", "5  method I.M: M()",
            "6 value C: const C = 1",
        ],
    ),
    "a.rs": (
        ("pub fn f(a: i32) -> i32 { 1 }\nstruct S { a: i32 }\ntrait T { fn m(&self); }\n"
        "impl T for S { fn m(&self) {} }\nmacro_rules! mm { () => {} }\n"),
        [
            "1 function f: pub fn f(a: i32) -> i32", "2 struct S: struct S", "3 trait T: trait T",
            "3  method T.m: fn m(&self)", "4 impl S: impl T for S", "4  method S.m: fn m(&self)",
            "5 macro mm: macro_rules! mm { () => {} }",
        ],
    ),
    "A.java": (
        "public class A<T> extends B {\n A() {}\n void m(int a) {}\n}\ninterface I { int q(); }\n",
        [
            "1 class A: public class A<T> extends B", "2  method A.A: A()",
            "3  method A.m: void m(int a)", "5 interface I: interface I",
            "5  method I.q: int q()",
        ],
    ),
    "a.c": (
        "#define M(a) a\nstruct s { int a; };\nstatic int *f(int a) { return 0; }\nint g(int);\n",
        [
            "1 function M: #define M(a) a", "2 struct s: struct s",
            "3 function f: static int *f(int a)", "4 function g: int g(int)",
        ],
    ),
    "a.cpp": (
        ("namespace n {\nclass A : public B { int m(); void k() const {} };\n}\n"
        "int n::A::m() { return 1; }\n"),
        [
            "1 module n: namespace n", "2  class n.A: class A : public B",
            "2   method n.A.m: int m()", "2   method n.A.k: void k() const",
            "4 method n.A.m: int n::A::m()",
        ],
    ),
    "A.cs": (
        "namespace N { public class A : B { public int P { get; set; } void M(int a) {} } }\n",
        [
            "1 module N: namespace N", "1  class N.A: public class A : B",
            "1   value N.A.P: public int P", "1   method N.A.M: void M(int a)",
        ],
    ),
    "a.rb": (
        "module M\n  class A < B\n    def f(a)\n    end\n    def self.g; end\n  end\nend\n",
        [
            "1 module M: module M", "2  class M.A: class A < B", "3   method M.A.f: def f(a)",
            "5   method M.A.g: def self.g; end",
        ],
    ),
    "a.php": (
        "<?php\nclass C extends D { public function f($a) {} }\nfunction g($a) {}\n",
        [
            "2 class C: class C extends D", "2  method C.f: public function f($a)",
            "3 function g: function g($a)",
        ],
    ),
    "a.kt": (
        "class A(val x: Int) : B() {\n  fun f(a: Int): Int { return 1 }\n}\nobject O {}\n",
        [
            "1 class A: class A(val x: Int) : B()", "2  method A.f: fun f(a: Int): Int",
            "4 class O: object O",
        ],
    ),
    "a.swift": (
        "class A: B {\n  init(a: Int) {}\n  func f(a: Int) -> Int { return 1 }\n}\nprotocol P {}\n",
        [
            "1 class A: class A: B", "2  method A.init: init(a: Int)",
            "3  method A.f: func f(a: Int) -> Int", "5 interface P: protocol P",
        ],
    ),
    "a.scala": (
        "class A(x: Int) extends B {\n  def f(a: Int): Int = 1\n}\ntrait T { def m(): Unit }\n",
        [
            "1 class A: class A(x: Int) extends B", "2  method A.f: def f(a: Int): Int",
            "4 trait T: trait T", "4  method T.m: def m(): Unit",
        ],
    ),
    "a.sh": ("f() { echo 1; }\nX=1\n", ["1 function f: f()", "2 value X: X=1"]),
    "a.lua": (
        "local function g() end\nfunction M.h() end\nM.y = function() end\n",
        [
            "1 function g: local function g() end", "2 method M.h: function M.h() end",
            "3 method M.y: M.y = function() end",
        ],
    ),
}  # fmt: skip


def shown(name: str, text: str) -> list[str]:
    return [
        f"{each.line} {' ' * each.depth}{each.kind} "
        f"{each.scope + '.' if each.scope else ''}{each.name}: {each.signature}"
        for each in symbols(grammar(name), text.encode())
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_definitions_are_found(name: str) -> None:
    text, expected = SOURCES[name]

    assert shown(name, text) == expected


def test_every_pattern_of_a_table_is_of_a_kind() -> None:
    for name in _TABLES:
        found = patterns(name)
        assert found
        assert all(pattern.kind for pattern in found), name


@pytest.mark.parametrize(
    "path, head, expected",
    [
        ("src/a.py", "", "python"), ("a.h", "", "cpp"), ("run", "#!/usr/bin/env bash\n", "bash"),
        ("a.json", "", ""), ("README.md", "", ""), ("a.min.js", "", ""), ("Makefile", "", ""),
    ],
)  # fmt: skip
def test_the_grammar_follows_from_name_and_first_line(path: str, head: str, expected: str) -> None:
    assert grammar(path, head) == expected


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_no_text_is_too_broken(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SOURCES)))
    text = SOURCES[name][0]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    filling = data.draw(st.text(max_size=8))

    for each in symbols(grammar(name), (text[:start] + filling + text[end:]).encode()):
        assert each.name
        assert 1 <= each.line <= each.end
        assert "\n" not in each.signature
