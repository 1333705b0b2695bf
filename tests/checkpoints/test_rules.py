"""Whatever changes in git and its rules meanwhile: a later state is what a first one would be."""

from __future__ import annotations

import random
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from filetree import git, repository
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from thorough import many

from qcode.checkpoints.scan import Files
from qcode.checkpoints.store import Store

NAMES = ("a", "b", "c.log", "d")
LINES = ("a", "/b", "*.log", "d/", "!a", "b/*", "!b/a", "**/d/a", "*", "!*/")

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("write", "write", "folder", "remove", "move", "ignore", "track", "untrack", "init")
        ),
        st.integers(0, 2**16),
    ),
    min_size=1,
    max_size=6,
)


def act(root: Path, kind: str, seed: int) -> None:
    """Do one thing to files, rules or the index; what is impossible is left out."""
    dice = random.Random(seed)
    path = root.joinpath(*(dice.choice(NAMES) for _ in range(dice.randrange(1, 4))))
    there = sorted(one for one in root.rglob("*") if ".git" not in one.relative_to(root).parts)
    one = dice.choice(there) if there else root / "a"
    folder = dice.choice([root, *(found for found in there if found.is_dir())])
    try:
        if kind in ("write", "folder", "move"):
            path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "write":
            path.write_text(str(seed % 5))
        elif kind == "folder":
            path.mkdir()
        elif kind == "remove":
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        elif kind == "move":
            one.rename(path)
        elif kind == "ignore":
            lines = [dice.choice(LINES) for _ in range(dice.randrange(3))]
            where = folder / ".gitignore" if seed % 5 else root / ".git/info/exclude"
            where.parent.mkdir(exist_ok=True)
            where.write_text("\n".join(lines))
        elif kind == "init":
            if (folder / ".git").exists() and folder != root:
                shutil.rmtree(folder / ".git")
            else:
                git(folder, "init", "-q")
    except OSError:
        pass
    if kind in ("track", "untrack"):
        words = ("add", "-f") if kind == "track" else ("rm", "-r", "-q", "-f", "--cached")
        try:
            git(root, *words, "--", str(one))
        except AssertionError:
            pass  # it is in a repository inside, or was not tracked


@pytest.mark.slow
@pytest.mark.parametrize("watched", [False, True])
@settings(max_examples=many(50, 15), suppress_health_check=[HealthCheck.too_slow])
@given(batches=st.lists(steps, min_size=1, max_size=5))
@example(  # all goes, and new rules come with new files
    batches=[
        [("remove", 2), ("remove", 0), ("untrack", 0)],
        [("remove", 2), ("ignore", 611), ("write", 0)],
    ]
)
def test_later_states_are_what_first_ones_would_be(
    watched: bool, batches: list[list[tuple[str, int]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = repository(Path(folder, "work"), {"a": b"1", "b/a": b"2", "d/c.log": b"3"})
        with closing(Store.at(root, root / "none")) as store, closing(Files(root, store)) as files:
            files.take()
            if watched:
                files._begun().is_slow = True
                files.take(thorough=True)
            for batch in batches:
                for kind, seed in batch:
                    act(root, kind, seed)
                later = files.take()
                with closing(Files(root, store)) as fresh:
                    first = fresh.take()

                assert later == first, (files.left_out, fresh.left_out)
