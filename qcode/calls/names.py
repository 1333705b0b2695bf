"""Names as models write them, to names that were offered.

Models call the tools of the harness they were trained with. A name is taken
for another only by the rules here, never because it is spelled nearly so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_TOOLS = (
    "readfile read view viewfile openfile cat catfile",
    "writefile write createfile create savefile writetofile",
    "editfile edit strreplace replace strreplaceeditor replaceinfile searchreplace applyedit",
    "bash shell runcommand executecommand runshellcommand execute exec execcommand run terminal \
    shellcommand executebash runterminalcmd",
    "grep search grepsearch searchfiles ripgrep rg searchfilecontent codesearch",
    "glob globfiles findfiles find filesearch",
    "ls listdir listdirectory listfiles list",
    "applypatch patch applydiff",
    "multiedit editmany multireplace multistrreplace multireplacestringinfile",
    "notebookedit editnotebook editnotebookfile editnotebookcell",
)
"""Tools that do the same, by normal form."""

_PARAMETERS = (
    "path filepath file filename targetfile absolutepath relativepath",
    "content contents text filetext filecontent data body",
    "command cmd script shellcommand commandline",
    "oldstring oldstr oldtext old search find original",
    "newstring newstr newtext new replace replacement",
    "pattern regex regexp query searchpattern",
    "directory dir cwd workdir workingdirectory",
    "replaceall all global",
    "glob include filepattern globpattern includepattern",
    "limit maxresults headlimit maxlines count",
    "isbackground background runinbackground",
    "timeout timeoutms",
    "todos todolist items tasks",
    "status state",
    "edits changes replacements",
    "input patch diff patchtext patchcontent",
    "notebookpath notebook targetnotebook",
    "newsource cellsource",
    "cellnumber cellindex cellidx",
)
"""Parameters that mean the same, by normal form."""

_PARAMETERS_TOO = (
    "path searchpath directory directorypath dir dirpath folder cwd workdir workingdirectory",
    "pattern search",
    "notebookpath path",
    "notebookpath filepath",
    "notebookpath file",
    "newsource source",
    "newsource newstring",
    "newsource content",
    "newsource code",
)
"""The same where the families above have no answer."""

_QUOTES = " \t\r\n\"'`"
_PREFIX = re.compile(r"(?:functions?|tools?|default_api)\.")
_INDEX = re.compile(r":[0-9]+$")
_LONGEST = 100
"""Characters of a written name that are compared for likeness."""


def resolve_tool(written: str, offered: Collection[str]) -> str | None:
    """Return the offered tool that a written name means, if it can mean only one."""
    if written in offered:
        return written
    clean = _clean(written)
    segment = re.split(r"[./]", clean)[-1]
    for name in (clean, segment):
        if name in offered:
            return name
    for name in dict.fromkeys((clean, segment)):
        for forms in (_normal_form, _without_tool, _tool_family):
            form = forms(name)
            if form and (same := [each for each in offered if forms(each) == form]):
                return same[0] if len(same) == 1 else None
    return None


def nearest(written: str, offered: Collection[str]) -> list[str]:
    """Return the offered names, the nearest first, for a message to the model."""
    import difflib

    clean = _clean(written)
    family = _tool_family(clean)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(_normal_form(clean)[:_LONGEST])

    def distance(name: str) -> tuple[bool, float]:
        matcher.set_seq1(_normal_form(name)[:_LONGEST])
        return not (family and _tool_family(name) == family), -matcher.ratio()

    return sorted(offered, key=distance)


def resolve_parameter(
    written: str, properties: Collection[str], given: Collection[str]
) -> str | None:
    """Return the parameter that a written name means.

    `given` are those that the call gives by their own name; nothing else is taken
    for them.
    """
    if written in properties:
        return written
    form = _normal_form(written)
    if not form:
        return None
    free = {name: _normal_form(name) for name in properties if name not in given}
    for meant in ({form}, *(_family(form, families) for families in (_ALIASES, _ALIASES_TOO))):
        if same := [name for name, other in free.items() if other in meant]:
            return same[0] if len(same) == 1 else None
    return None


def _clean(written: str) -> str:
    name = written.strip(_QUOTES).split("<|")[0]
    name = name.split()[0] if name.split() else ""
    return _INDEX.sub("", _PREFIX.sub("", name.strip(_QUOTES), count=1))


def _normal_form(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


def _without_tool(name: str) -> str:
    return _normal_form(name).removesuffix("tool")


def _families(lines: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return, for each word, all words that mean the same."""
    out: dict[str, frozenset[str]] = {}
    for line in lines:
        family = frozenset(line.split())
        for word in family:
            out[word] = out.get(word, frozenset()) | family
    return out


_TOOL_FAMILIES = _families(_TOOLS)
_ALIASES = _families(_PARAMETERS)
_ALIASES_TOO = _families(_PARAMETERS_TOO)


def _tool_family(name: str) -> frozenset[str]:
    form = _normal_form(name)
    return _TOOL_FAMILIES.get(form) or _TOOL_FAMILIES.get(form.removesuffix("tool"), frozenset())


def _family(form: str, families: dict[str, frozenset[str]]) -> frozenset[str]:
    return families.get(form, frozenset())
