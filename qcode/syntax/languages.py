"""Which grammars a file may be read with, and how far each of them is trusted.

Measured on some 10,000 real files (docs/decisions/0009). A grammar that takes many of
them for wrong would refuse right edits, so it is asked less, or not at all.
"""

from __future__ import annotations

import re
from enum import Enum

from qcode.record import Record


class Trust(Enum):
    """What a grammar's errors are worth."""

    GOOD = "good"
    """Real files practically always parse: a new error is the edit's, whatever stood before."""
    FAIR = "fair"
    """Macros, dialects or newer syntax can look wrong: only if the file parsed before."""


class Language(Record):
    """The grammars that a file may be written for; it is wrong only if it is so in all of them."""

    grammars: tuple[str, ...]
    trust: Trust = Trust.FAIR
    is_filled_in: bool = False
    """Whether such files are often templates, with `{{ }}` and the like in them."""


def language(name: str, text: str) -> Language | None:
    """Return how a file is to be read by its name, or by its first line if that says nothing."""
    name = name.rpartition("/")[2]
    if name in _NAMES:
        return _NAMES[name]
    if _COMMENTED.fullmatch(name):
        return _COMMENTED_JSON
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return _of_first_line(text)
    if name.endswith(_OTHER):
        return None
    found = _EXTENSIONS.get(extension) or _EXTENSIONS.get(extension.lower())
    if found is _TYPESCRIPT and text.lstrip().startswith("<"):
        return _EXTENSIONS["xml"]  # a translation of Qt's
    if found is _JAVASCRIPT and "@flow" in text[:_HEAD]:
        return _FLOW
    return found


def _of_first_line(text: str) -> Language | None:
    first = text[: text.find("\n")] if "\n" in text else text
    found = _SHEBANG.match(first)
    return _PROGRAMS.get(found[1]) if found else None


_SHEBANG = re.compile(r"#!\s*(?:\S*/env\s+(?:-S\s*)?(?:\w+=\S*\s+)*)?(?:\S*/)?([a-zA-Z]+)")
_OTHER = (".blade.php", ".min.js", ".min.css", ".bundle.js")
"""Templates under the name of another language, and what no one writes by hand."""


_HEAD = 2000
"""Characters in which a file's first comment ends."""
_COMMENTED = re.compile(r"[tj]sconfig(\.[\w.-]+)?\.json")
"""JSON with comments, for any number of projects side by side."""


def _good(*grammars: str, is_filled_in: bool = False) -> Language:
    return Language(grammars, Trust.GOOD, is_filled_in)


def _fair(*grammars: str) -> Language:
    return Language(grammars)


_PYTHON = _good("python")
_RUBY = _good("ruby")
_BASH = _fair("bash")
_STARLARK = _fair("starlark")
_MAKE = _fair("make")
_CMAKE = _good("cmake")
_JSON = _good("json", is_filled_in=True)
_COMMENTED_JSON = Language(("json",), Trust.FAIR, is_filled_in=True)
_JAVASCRIPT = _good("javascript")
# Flow's types are near enough to those of TypeScript.
_FLOW = _fair("tsx", "javascript")
_TYPESCRIPT = _good("typescript")
# Most headers are full of macros; a `.h` may be of any of three languages.
_HEADER = _fair("c", "cpp", "objc")

_NAMES = {
    "BUILD": _STARLARK,
    "BUILD.bazel": _STARLARK,
    "WORKSPACE": _STARLARK,
    "Buildfile": _RUBY,
    "CMakeLists.txt": _CMAKE,
    "Fastfile": _RUBY,
    "GNUmakefile": _MAKE,
    "Gemfile": _RUBY,
    "Guardfile": _RUBY,
    "Makefile": _MAKE,
    "makefile": _MAKE,
    "Podfile": _RUBY,
    "Rakefile": _RUBY,
    "SConscript": _PYTHON,
    "SConstruct": _PYTHON,
    "Vagrantfile": _RUBY,
    "Cargo.lock": _good("toml"),
    "Pipfile": _good("toml"),
    "poetry.lock": _good("toml"),
    "uv.lock": _good("toml"),
    "composer.lock": _JSON,
    "Pipfile.lock": _JSON,
    "flake.lock": _JSON,
    "go.mod": _fair("gomod"),
    "meson.build": _fair("meson"),
    "meson_options.txt": _fair("meson"),
    ".bash_profile": _BASH,
    ".bashrc": _BASH,
    ".profile": _BASH,
    # JSON that its programs read with comments in it.
    ".babelrc": _COMMENTED_JSON,
    ".eslintrc": _COMMENTED_JSON,
    ".eslintrc.json": _COMMENTED_JSON,
    ".swcrc": _COMMENTED_JSON,
    "api-extractor.json": _COMMENTED_JSON,
    "deno.json": _COMMENTED_JSON,
    "devcontainer.json": _COMMENTED_JSON,
    "extensions.json": _COMMENTED_JSON,
    "keybindings.json": _COMMENTED_JSON,
    "launch.json": _COMMENTED_JSON,
    "nx.json": _COMMENTED_JSON,
    "rush.json": _COMMENTED_JSON,
    "settings.json": _COMMENTED_JSON,
    "tasks.json": _COMMENTED_JSON,
    "turbo.json": _COMMENTED_JSON,
    "typedoc.json": _COMMENTED_JSON,
    "wrangler.json": _COMMENTED_JSON,
}

_PROGRAMS = {
    "ash": _BASH,
    "bash": _BASH,
    "bun": _TYPESCRIPT,
    "dash": _BASH,
    "deno": _TYPESCRIPT,
    "fish": _fair("fish"),
    "ksh": _BASH,
    "lua": _good("lua"),
    "luajit": _good("lua"),
    "node": _JAVASCRIPT,
    "nodejs": _JAVASCRIPT,
    "perl": _fair("perl"),
    "php": _good("php"),
    "pwsh": _fair("powershell"),
    "pypy": _PYTHON,
    "python": _PYTHON,
    "Rscript": _fair("r"),
    "ruby": _RUBY,
    "sh": _BASH,
}


_ALONE = (
    "ada:adb,ads apex:trigger arduino:ino astro bicep bitbake:bb,bbclass cairo "
    "clojure:clj,cljs,cljc,edn commonlisp:lisp,cl csharp:cs dart elisp:el elixir:ex,exs "
    "elm fennel:fnl fish fortran:f90,f95,f03,f08 fsharp_signature:fsi gdscript:gd gleam "
    "glsl:vert,frag,comp graphql:graphql,gql hack hare:ha haskell:hs haxe:hx "
    "hcl:hcl,tf,tfvars heex hlsl janet jsonnet:jsonnet,libsonnet julia:jl kdl "
    "kotlin:kt,kts luau matlab:mlx nim:nim,nims nix ocaml:ml ocaml_interface:mli odin "
    "pascal:pas,dpr pony powershell:ps1,psm1,psd1 prisma purescript:purs "
    "qmljs:qml rego ron scala:scala,sc scheme:scm,ss smithy sparql:rq squirrel:nut swift "
    "tablegen:td thrift vhdl:vhd,vhdl wgsl wat yuck zig"
)
"""Grammars of the pack that few real files were at hand for, with extensions of other names."""


def _by_extension() -> dict[str, Language]:
    table = {
        _PYTHON: "py pyi pyw",
        _good("go"): "go",
        _good("java"): "java",
        _good("lua"): "lua",
        _good("php"): "php php8 phtml",
        _good("proto"): "proto",
        _good("rust"): "rs",
        _good("solidity"): "sol",
        _good("toml"): "toml",
        _good("tsx"): "tsx",
        _TYPESCRIPT: "ts mts cts",
        _good("erlang"): "erl hrl",
        _good("racket"): "rkt",
        _good("yaml", is_filled_in=True): "yaml yml",
        _good("html", is_filled_in=True): "html htm xhtml",
        _good("xml", is_filled_in=True): "xml svg xsd xsl xslt wsdl plist csproj vcxproj props",
        _good("vue"): "vue",
        _RUBY: "rb rake gemspec podspec ru",
        _JAVASCRIPT: "js mjs cjs jsx es6",
        _CMAKE: "cmake",
        _JSON: "json geojson webmanifest ipynb har",
        _COMMENTED_JSON: "jsonc code-workspace",
        _HEADER: "h",
        _BASH: "sh bash ksh ebuild",
        _STARLARK: "bzl star",
        _MAKE: "mk mak",
        _fair("c"): "c",
        _fair("cpp"): "cpp cc cxx c++ C hpp hh hxx H ipp",
        _fair("objc", "matlab"): "m",
        _fair("verilog", "v"): "v",
        _fair("verilog"): "sv svh vh",
        _fair("fsharp", "glsl"): "fs",
        _fair("puppet", "pascal"): "pp",
        _fair("css"): "css",
        _fair("cuda", "cpp"): "cu cuh",
        _fair("perl"): "pl pm t",
        _fair("r"): "r R",
    }
    found = {
        extension: language for language, names in table.items() for extension in names.split()
    }
    for entry in _ALONE.split():
        grammar, _, extensions = entry.partition(":")
        found |= {extension: _fair(grammar) for extension in (extensions or grammar).split(",")}
    return found


_EXTENSIONS = _by_extension()
