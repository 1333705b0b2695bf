"""Any part of an edit, made by the tools themselves."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples
from tool_bench import Bench

from qcode.editing.effects import Part, pieces
from qcode.tools.schema import parse


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_any_part_changes_just_its_lines(data: st.DataObject) -> None:
    """Lines that change are far apart, so that what has to come out is known without a diff."""
    lines = [f"{n}\n" for n in range(data.draw(st.integers(20, 120)))]
    places = data.draw(st.sets(st.integers(0, len(lines) // 10 - 1), min_size=2))
    news = {
        10 * at: data.draw(st.sampled_from(["", "x\n", "x\ny\n", "\n"])) for at in sorted(places)
    }
    left = data.draw(st.sets(st.sampled_from(range(len(news))), max_size=len(news) - 1))
    wanted = "".join(news.get(n, line) for n, line in enumerate(lines))
    kept = {n: new for number, (n, new) in enumerate(news.items()) if number not in left}
    expected = "".join(kept.get(n, line) for n, line in enumerate(lines))

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "work", Path(folder) / "spill")
        try:
            bench.write("a.txt", "".join(lines))
            bench.call("read_file", file_path="a.txt", limit=2000)
            tool = bench.tools["write_file"]
            params = parse(tool, json.dumps({"file_path": "a.txt", "content": wanted}))
            shown = bench.runner.run(tool.preview(params, bench.context))
            assert shown is not None
            assert len(pieces(shown)) == len(news)
            context = replace(bench.context, part=Part(tuple(shown), frozenset(left)))
            bench.runner.run(tool.run(params, context))

            assert (bench.root / "a.txt").read_text() == expected
        finally:
            bench.close()
