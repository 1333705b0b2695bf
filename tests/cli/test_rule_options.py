"""Permission rules on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from qcode import paths
from qcode.cli.options import add_shared, settings_from


def test_flags_add_to_what_the_files_say(tmp_path: Path) -> None:
    file = paths.config_dir() / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('deny = ["shell(curl *)"]\nallow = ["shell(make test)"]')
    parser = argparse.ArgumentParser()
    add_shared(parser)

    given = ["--allow", "shell(pytest *)", "--deny", "edit(gen/**)", "--deny", "shell(rm *)"]
    settings = settings_from(parser.parse_args(given), tmp_path)

    assert settings.allow == ("shell(make test)", "shell(pytest *)")
    assert settings.deny == ("shell(curl *)", "edit(gen/**)", "shell(rm *)")
