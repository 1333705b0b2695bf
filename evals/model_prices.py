"""Takes the prices of the models anew out of the installed litellm's table: `make prices`.

Prints what changed; `--check` changes nothing and exits with 1 where something would.
"""

from __future__ import annotations

import argparse
import datetime
import json

from qcode.models import renewing, table
from qcode.models.reading import FILE


def main() -> int:
    """Write the registry; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what would change")
    args = parser.parse_args()
    models = json.loads(FILE.read_text(encoding="utf-8"))["models"]
    rows = table.rows()
    if not rows:
        print("litellm is not installed, or has no table")
        return 2
    changed = list(renewing.differences(models, rows))
    for one in changed:
        place = one.place or "the model"
        print(f"{one.model}: {one.field} at {place}: {one.registered} -> {one.found}")
    if args.check:
        return 1 if changed else 0
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = renewing.text_of(renewing.renewed(models, rows, date))
    FILE.write_text(text, encoding="utf-8")
    print(f"{len(models)} models, {len(changed)} prices changed, litellm {table.version()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
