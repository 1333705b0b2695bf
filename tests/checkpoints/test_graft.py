"""States with paths replaced, where files become directories and the reverse."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.checkpoints.graft import grafted
from qcode.checkpoints.patch import patch
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import Entry, State, below, difference, find
from qcode.checkpoints.store import Store

Contents = dict[str, str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return Store.at(folder, folder / "none")


def entries(store: Store, contents: Contents) -> dict[str, Entry]:
    return {
        path: Entry(0o100644, store.put("blob", text.encode())) for path, text in contents.items()
    }


def state(store: Store, contents: Contents) -> State:
    empty = State(store.put("tree", b""), "")
    return grafted(store, empty, entries(store, contents))


def contents_of(store: Store, given: State) -> Contents:
    found = {path: find(store, given, path) for path in below(store, given)}
    return {path: store.get(entry.oid).decode() for path, entry in found.items() if entry}


def _without_collisions(paths: Contents) -> Contents:
    return {
        path: text
        for path, text in paths.items()
        if not any(other.startswith(path + "/") for other in paths)
    }


trees = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join),
    st.sampled_from(["1\n", "2\n"]),
    max_size=6,
).map(_without_collisions)


@given(trees, trees, st.randoms(use_true_random=False))
def test_a_difference_grafted_is_the_other_state_in_any_order(
    store: Store, old: Contents, new: Contents, order: random.Random
) -> None:
    one, other = state(store, old), state(store, new)
    changes = [(path, pair[1]) for path, pair in difference(store, one, other).items()]
    order.shuffle(changes)
    assert contents_of(store, grafted(store, one, dict(changes))) == new


@pytest.mark.parametrize("shuffled", [list, reversed])
def test_files_that_become_directories_go_through_git_apply(
    tmp_path: Path, shuffled: Callable[[list[str]], list[str]]
) -> None:
    root = tmp_path / "work"
    (root / "dd").mkdir(parents=True)
    (root / "old").write_text("o\n")
    (root / "dd/x").write_text("x\n")
    subprocess.run("git init -q && git add -A", shell=True, cwd=root, check=True)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(root), str(copy)], check=True)
    subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=copy, check=True)
    store = Store.at(root, tmp_path / "none")
    files = Files(root, store)
    before = files.take()
    script = "rm old; mkdir old; echo k > old/k; rm -r dd; echo d > dd"
    subprocess.run(script, shell=True, cwd=root, check=True)
    changed = difference(store, before, files.take())
    files.close()
    new = {path: changed[path][1] for path in shuffled(sorted(changed))}
    old = {path: changed[path][0] for path in shuffled(sorted(changed))}
    data = patch(store, grafted(store, before, old), grafted(store, before, new))
    store.close()
    subprocess.run(["git", "apply", "--index", "-"], cwd=copy, input=data, check=True)
    assert (copy / "old/k").read_text() == "k\n"
    assert (copy / "dd").read_text() == "d\n"
