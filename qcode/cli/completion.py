"""`qcode completion bash|zsh|fish`: what a shell completes, from the commands' own arguments."""

from __future__ import annotations

import argparse

from qcode.cli.arguments_tree import tree
from qcode.cli.completion_scripts import SCRIPTS


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=list(SCRIPTS), help="for which one")
    parser.description = (
        "Print a script that completes commands and options:\n"
        '  bash:  eval "$(qcode completion bash)" in ~/.bashrc\n'
        '  zsh:   eval "$(qcode completion zsh)" in ~/.zshrc, behind compinit\n'
        "  fish:  qcode completion fish > ~/.config/fish/completions/qcode.fish"
    )


def main(args: argparse.Namespace) -> int:
    """Print the script; return the exit code."""
    print(SCRIPTS[args.shell](tree()), end="")
    return 0
