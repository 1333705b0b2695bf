"""Results told: figures, tables, pages; pure but for writing the files.

```
results.py ─▶ summary.py (stats.py, taxonomy.py ◀─ told.py) ─▶ markdown.py, machine.py, html.py
           └▶ comparing.py: two sets, task by task     live.py: while it runs
           └▶ replay.py: one trial, step by step
```
"""

from __future__ import annotations

from pathlib import Path


def write(folder: Path) -> tuple[Path, Path, Path]:
    """Write `report.json`, `report.md` and `report.html` into a results folder; replaced.

    Raises:
        UsageError: there are no results, or a file cannot be written.
    """
    from qcode.evals.reports.html import page
    from qcode.evals.reports.machine import report_json, written
    from qcode.evals.reports.markdown import markdown
    from qcode.evals.reports.results import read
    from qcode.evals.reports.summary import summarise
    from qcode.files_whole import write_whole
    from qcode.ui.printable import encodable

    summary = summarise(read(folder))
    texts = (written(report_json(summary)), encodable(markdown(summary)), page(summary))
    paths = (folder / "report.json", folder / "report.md", folder / "report.html")
    for path, text in zip(paths, texts, strict=True):
        write_whole(path, text, force=True)
    return paths
