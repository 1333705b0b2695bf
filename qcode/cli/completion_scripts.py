"""The completion scripts of three shells, written from the tree of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qcode.cli.arguments_tree import Node, Option

_ABOUT = 70
"""Characters that are shown of a command's or an option's help."""


def bash(nodes: Iterable[Node]) -> str:
    """Return the script for bash 3.2 and later."""
    every = list(nodes)
    words, follows, values = [], [], []
    for node in every:
        path = _path(node)
        names = " ".join(name for option in node.options for name in option.names)
        offered = " ".join((*(name for name, _ in node.commands), *node.choices))
        files = " files=1" if node.takes_files else ""
        words.append(f'    "{path}") options="{names}"; words="{offered}";{files} ;;')
        follows += [f'"{path}/{name}"' for name, _ in node.commands]
        for option in node.options:
            keys = "|".join(f'"{path} {name}"' for name in option.names)
            if option.choices:
                values.append(f'    {keys}) words="{" ".join(option.choices)}" ;;')
            elif option.takes in ("file", "folder"):
                kind = "-f" if option.takes == "file" else "-d"
                values.append(f"    {keys}) _qcode_files {kind}; return ;;")
            elif option.takes == "word":
                values.append(f"    {keys}) return ;;")
    return _BASH.format(
        valued="|".join(_valued(every)) or "''",
        follows="|".join(follows),
        words="\n".join(words),
        values="\n".join(values),
    )


_BASH = """\
# bash completion for qcode; made by `qcode completion bash`.
_qcode_files() {{
  local IFS=$'\n'
  COMPREPLY+=($(compgen "$1" -- "$cur"))
  compopt -o filenames 2>/dev/null  # bash 3.2 has no such thing
}}
_qcode() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
  local at path="" word words="" options="" files=""
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="${{COMP_WORDS[at]}}"
    case "$word" in
      --) return ;;
      {valued}) ((at++)); continue ;;
      -*) continue ;;
    esac
    case "$path/$word" in
      {follows}) path="$path/$word" ;;
    esac
  done
  case "$path $prev" in
{values}
  esac
  if [[ -z "$words" ]]; then
    case "$path" in
{words}
    esac
    [[ "$cur" == -* ]] && words="$options"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n "$files" && "$cur" != -* ]]; then
    _qcode_files -f
  fi
}}
complete -F _qcode qcode
"""


def zsh(nodes: Iterable[Node]) -> str:
    """Return the script for zsh with its completion system."""
    every = list(nodes)
    follows, words, values = [], [], []
    for node in every:
        path = _path(node)
        follows += [f'"{path}/{name}"' for name, _ in node.commands]
        options = " ".join(
            _quoted(f"{name}:{_about(option.about)}")
            for option in node.options
            for name in option.names
        )
        commands = " ".join(
            _quoted(f"{name}:{_about(about)}")
            for name, about in (*node.commands, *((choice, "") for choice in node.choices))
        )
        files = " files=1" if node.takes_files else ""
        words.append(f'    "{path}") options=({options}); commands=({commands});{files} ;;')
        for option in node.options:
            keys = "|".join(f'"{path} {name}"' for name in option.names)
            if option.choices:
                values.append(f"    {keys}) compadd -- {' '.join(option.choices)}; return ;;")
            elif option.takes in ("file", "folder"):
                kind = "" if option.takes == "file" else " -/"
                values.append(f"    {keys}) _files{kind}; return ;;")
            elif option.takes == "word":
                values.append(f"    {keys}) return ;;")
    return _ZSH.format(
        valued="|".join(_valued(every)) or "''",
        follows="|".join(follows),
        words="\n".join(words),
        values="\n".join(values),
    )


_ZSH = """\
#compdef qcode
# zsh completion for qcode; made by `qcode completion zsh`.
_qcode() {{
  local at name="" word files=""
  local -a options commands
  for ((at = 2; at < CURRENT; at++)); do
    word="${{words[at]}}"
    case "$word" in
      --) return ;;
      {valued}) ((at++)); continue ;;
      -*) continue ;;
    esac
    case "$name/$word" in
      {follows}) name="$name/$word" ;;
    esac
  done
  case "$name ${{words[CURRENT-1]}}" in
{values}
  esac
  case "$name" in
{words}
  esac
  if [[ "${{words[CURRENT]}}" == -* ]]; then
    _describe -o option options
  else
    (( ${{#commands}} )) && _describe command commands
    [[ -n "$files" ]] && _files
  fi
}}
compdef _qcode qcode
"""


def fish(nodes: Iterable[Node]) -> str:
    """Return the script for fish 3 and later."""
    every = list(nodes)
    lines = []
    for node in every:
        lead = f"complete -c qcode -n '__qcode_at \"{_path(node)}\"'"
        for name, about in (*node.commands, *((choice, "") for choice in node.choices)):
            lines.append(f"{lead} -a {name}{_d(about)}")
        if node.takes_files:
            lines.append(f"{lead} -F")
        lines += [f"{lead}{_fish_option(option)}" for option in node.options]
    follows = [f"{_path(node)}/{name}" for node in every for name, _ in node.commands]
    valued = " ".join(_valued(every)) or "''"
    return _FISH.format(valued=valued, follows=" ".join(follows), lines="\n".join(lines))


_FISH = """\
# fish completion for qcode; made by `qcode completion fish`.
function __qcode_at --description 'whether these are the commands typed so far'
    set -l words (commandline -opc)
    set -e words[1]
    set -l path ''
    set -l is_value 0
    for word in $words
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case {valued}
                set is_value 1
            case '-*'
                continue
            case '*'
                if contains -- "$path/$word" {follows}
                    set path "$path/$word"
                end
        end
    end
    test "$path" = "$argv[1]"
end
complete -c qcode -f
{lines}
"""


def _fish_option(option: Option) -> str:
    names = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names
    )
    value = ""
    if option.choices:
        value = f" -x -a '{' '.join(option.choices)}'"
    elif option.takes == "folder":
        value = " -x -a '(__fish_complete_directories)'"
    elif option.takes == "file":
        value = " -r -F"
    elif option.takes == "word":
        value = " -x"
    return f"{names}{value}{_d(option.about)}"


def _d(about: str) -> str:
    text = _about(about).replace("\\", "\\\\").replace("'", "\\'")
    return f" -d '{text}'" if about else ""


def _valued(nodes: Iterable[Node]) -> list[str]:
    """Return the options that a value follows; the same everywhere that has them."""
    return sorted(
        {
            name
            for node in nodes
            for option in node.options
            if option.takes != "nothing"
            for name in option.names
        }
    )


def _path(node: Node) -> str:
    return "".join(f"/{word}" for word in node.words)


def _about(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _ABOUT else f"{text[: _ABOUT - 1]}…"


def _quoted(text: str) -> str:
    """Return a text in single quotes, as a shell of the Bourne kind reads them."""
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPTS: Mapping[str, Callable[[Iterable[Node]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
