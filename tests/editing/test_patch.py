from __future__ import annotations

from collections.abc import Sequence

import pytest

from qcode.editing import patch
from qcode.editing.outcome import Reason, Refused
from qcode.editing.patch import FileChange


class Files:
    """Files in memory, as the engine's source; some of them changed since they were seen."""

    def __init__(self, files: dict[str, str], changed: Sequence[str] = ()) -> None:
        self.files, self.changed = files, changed

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def similar(self, path: str) -> list[str]:
        name = path.rsplit("/", 1)[-1]
        return [each for each in self.files if each.rsplit("/", 1)[-1] == name]

    def changed_since_seen(self, path: str) -> bool:
        return path in self.changed


def applied(edit: str, changed: Sequence[str] = (), **files: str) -> tuple[FileChange, ...]:
    outcome = patch.apply(edit, Files(files, changed))
    assert not isinstance(outcome, Refused), outcome
    return outcome


def refused(edit: str, changed: Sequence[str] = (), **files: str) -> Refused:
    outcome = patch.apply(edit, Files(files, changed))
    assert isinstance(outcome, Refused), outcome
    return outcome


def codex(*rows: str) -> str:
    return "\n".join(["*** Begin Patch", *rows, "*** End Patch", ""])


def test_a_move_is_one_change_with_the_old_text() -> None:
    edit = codex("*** Update File: a", "*** Move to: d/b", "@@", "-one", "+uno")

    (change,) = applied(edit, a="one\ntwo\n")

    assert change == FileChange("d/b", "one\ntwo\n", "uno\ntwo\n", "a", ((1, 1),))


def test_a_move_onto_a_file_that_was_deleted_is_a_change_and_a_deletion() -> None:
    edit = codex("*** Delete File: b", "*** Update File: a", "*** Move to: b")

    changes = applied(edit, a="one\n", b="two\n")

    assert set(changes) == {FileChange("b", "two\n", "one\n"), FileChange("a", "one\n", None)}


def test_a_moved_file_may_get_a_successor() -> None:
    edit = codex("*** Update File: a", "*** Move to: b", "*** Add File: a", "+new")

    changes = applied(edit, a="one\n")

    assert {(each.path, each.before, each.after, each.moved_from) for each in changes} == {
        ("a", "one\n", "new\n", ""),
        ("b", None, "one\n", ""),
    }


def test_the_same_file_may_come_twice() -> None:
    edit = codex(
        *("*** Add File: a", "+one", "+two", "*** Update File: a", "@@", "-one", "+uno"),
        *("*** Update File: a", "@@", " uno", "-two", "+due"),
    )

    (change,) = applied(edit)

    assert (change.before, change.after) == (None, "uno\ndue\n")


def test_a_hunk_may_build_on_the_one_before() -> None:
    edit = codex("*** Update File: a", "@@", "-one", "+uno", "@@", " uno", "+due")

    (change,) = applied(edit, a="one\n")

    assert change.after == "uno\ndue\n"


def test_what_cancels_out_is_no_change() -> None:
    edit = codex("*** Add File: n", "+x", "*** Delete File: n")

    assert refused(edit).reason is Reason.NO_CHANGE


def test_two_patches_in_one_text_are_both_applied() -> None:
    edit = codex("*** Add File: a", "+1") + "and then\n" + codex("*** Add File: b", "+2")

    assert [change.path for change in applied(edit)] == ["a", "b"]


def test_a_hunk_whose_first_context_is_blank_is_not_put_at_the_end() -> None:
    edit = codex("*** Update File: a", "@@", "+new", " ")

    (change,) = applied(edit, a="\nold\n")

    assert change.after == "new\n\nold\n"


def test_context_without_its_blank_wins_over_a_shifted_reading() -> None:
    edit = codex("*** Update File: a", "@@", "    a()", "+    b()", "    c()")

    (change,) = applied(edit, a="if x:\n    a()\n    c()\n")

    assert change.after == "if x:\n    a()\n    b()\n    c()\n"
    assert change.notes == ()


def test_lines_outside_of_the_anchors_block_are_told() -> None:
    edit = codex("*** Update File: a", "@@ def f():", "-    y = 1", "+    y = 2")

    refusal = refused(edit, a="def f():\n    x = 1\n\ndef g():\n    y = 1\n")

    assert refusal.reason is Reason.NOT_FOUND
    assert "not in the block of its anchor `def f():` (lines 1–3), but at line 5" in refusal.text


def test_the_failing_hunk_is_named_with_its_line_and_the_nearest_lines() -> None:
    edit = codex("*** Update File: a", "@@", "-one", "+uno", "@@", " two", "-tree", "+tre")

    refusal = refused(edit, a="one\ntwo\nthree\n")

    assert refusal.text.startswith("a: hunk 2 of 2 (line 6 of the patch): The old text of the hunk")
    assert "line 3 differs:\n  the edit:  tree\n  the file:  three" in refusal.text
    assert "Hunks that would apply: 1." in refusal.text


@pytest.mark.parametrize(
    "rows, words",
    [
        (["*** Update File: a"], "needs a hunk"),
        (["*** Update File: a", "@@", " one"], "lines that begin with `+` or `-`"),
        (["*** Update File: ", "@@", "-one"], "a path is expected"),
        (["*** Add File: n", "+x", "y"], "Line 4 of the patch: each line of a new file"),
        (["*** Delete File: a", "-one"], "nothing is expected behind Delete File"),
        (["hello"], "a file header is expected"),
        (["*** Update File: a", "@@ one", "+x"], "their place would be a guess"),
    ],
)
def test_malformed_patches_are_refused_with_what_was_expected(rows: list[str], words: str) -> None:
    refusal = refused(codex(*rows), a="one\n")

    assert refusal.reason is Reason.MALFORMED
    assert words in refusal.text


@pytest.mark.parametrize(
    "edit",
    [
        "*** Begin Patch\n*** Update File: a\n@@\n-one\n+u",
        "a.x\n<<<<<<< SEARCH\none\n=======\nun",
    ],
)
def test_an_edit_that_was_cut_is_told_so(edit: str) -> None:
    refusal = refused(edit, a="one\n")

    assert refusal.reason is Reason.MALFORMED
    assert "was probably cut" in refusal.text


def test_files_of_the_same_name_are_told_for_a_missing_one() -> None:
    edit = codex("*** Delete File: b.py")
    outcome = patch.apply(edit, Files({"src/b.py": ""}))

    assert isinstance(outcome, Refused)
    assert outcome.text.startswith("b.py does not exist. Files with the same name: src/b.py.")


def test_a_file_that_changed_is_patched_at_exact_places_alone() -> None:
    edit = codex("*** Update File: a", "@@", " one", "-two", "+due")

    assert applied(edit, ["a"], a="0\none\ntwo\n")[0].after == "0\none\ndue\n"
    assert refused(edit, ["a"], a="one \ntwo\n").reason is Reason.STALE
    assert refused(codex("*** Delete File: a"), ["a"], a="x\n").reason is Reason.STALE
    append = codex("*** Update File: a", "@@", "+x")
    assert refused(append, ["a"], a="x\n").reason is Reason.STALE


def test_absolute_paths_are_made_relative_by_the_caller_or_refused() -> None:
    edit = codex("*** Update File: /w/a", "@@", "-one", "+uno")
    files = Files({"a": "one\n"})

    made = patch.apply(edit, files, lambda path: path.removeprefix("/w/"))
    assert not isinstance(made, Refused)
    assert made[0].path == "a"
    outside = patch.apply(edit, files, lambda _path: None)
    assert isinstance(outside, Refused)
    assert outside.reason is Reason.OUTSIDE_ROOT
    assert refused(edit, a="one\n").reason is Reason.OUTSIDE_ROOT


DIFF = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+due\n"


@pytest.mark.parametrize(
    "edit",
    [
        f"Here it is:\n\n{DIFF}\nThat was all.\nBye.\n",
        f"```diff\n{DIFF}```\nThat was all.\n- a bullet\n",
        DIFF.replace("--- a/f", "--- a/f\t2024-01-01 00:00:00"),
        DIFF.replace("@@ -1,2 +1,2 @@", "@@ -1,2 +1,2 @@ def f():"),
        DIFF.replace("@@ -1,2 +1,2 @@\n", ""),
        DIFF.replace("\n", "\r\n"),
        f"diff --git a/f b/f\nindex 1..2 100644\n{DIFF}-- \n2.40.0\n",
        DIFF.replace("a/f", "f.orig").replace("b/f", "f"),
        DIFF.replace("a/f", '"f"').replace("b/f", '"f"'),
    ],
)
def test_a_diff_is_read_with_what_is_around_it(edit: str) -> None:
    (change,) = applied(edit, f="one\ntwo\n")

    assert change.after == "one\ndue\n"


def test_the_prefixes_stay_if_both_names_are_equal_and_such_a_file_exists() -> None:
    edit = DIFF.replace("b/f", "a/f")

    made = patch.apply(edit, Files({"a/f": "one\ntwo\n", "f": "one\ntwo\n"}))
    assert not isinstance(made, Refused)
    assert made[0].path == "a/f"
    assert applied(edit, f="one\ntwo\n")[0].path == "f"


@pytest.mark.parametrize(
    "edit, reason",
    [
        ("@@ -1 +1 @@\n-one\n+two\n--- a/f\n+++ b/f\n", Reason.MALFORMED),
        ("--- a/f\n+++ b/f\n", Reason.MALFORMED),
        ("--- a/f\n+++ b/g\n@@ -1 +1 @@\n-one\n+x\n", Reason.MALFORMED),
        ("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n", Reason.EXISTS),
        ("--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\ny\n", Reason.MALFORMED),
        ("diff --git a/f b/f\nBinary files a/f and b/f differ\n", Reason.MALFORMED),
        ("diff --git a/f b/g\ncopy from f\ncopy to g\n", Reason.MALFORMED),
        ("diff --git a/f b/f\ndeleted file mode 100644\n", Reason.NOT_FOUND),
        (f"```\n{DIFF}```\n+three\n", Reason.MALFORMED),
        ("--- a/f\n+++ b/f\n@@ -1,0 +2 @@\n+x\n", Reason.MALFORMED),
        ("nothing here", Reason.MALFORMED),
    ],
)
def test_diffs_that_cannot_be_meant_are_refused(edit: str, reason: Reason) -> None:
    assert refused(edit, f="one\ntwo\n").reason is reason


def test_a_new_empty_file_and_a_rename_are_read_from_gits_headers() -> None:
    edit = (
        "diff --git a/n b/n\nnew file mode 100644\nindex 0..1\n"
        "diff --git a/f b/d/g\nsimilarity index 100%\nrename from f\nrename to d/g\n"
    )

    assert applied(edit, f="x\n") == (
        FileChange("n", None, "", places=((1, 1),)),
        FileChange("d/g", "x\n", "x\n", "f"),
    )


def test_blocks_find_their_paths() -> None:
    block = "<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n"
    edit = (
        "### `f.py`:\n\n```python\n" + block.format("one", "uno") + "```\n"
        "Makefile\n" + block.format("all:", "most:") + "```py g/h.py\n" + block.format("a", "b")
    )
    files = Files({"f.py": "one\n", "Makefile": "all:\n", "g/h.py": "a\n"})

    made = patch.apply(edit, files)

    assert not isinstance(made, Refused)
    assert {change.path: change.after for change in made} == {
        "f.py": "uno\n",
        "Makefile": "most:\n",
        "g/h.py": "b\n",
    }
    assert set(patch.paths(edit)) >= {"f.py", "Makefile", "g/h.py"}


def test_every_path_is_named() -> None:
    edit = codex(
        *("*** Add File: ./n", "+x", "*** Delete File: d\\e", "*** Update File: f"),
        *("*** Move to: ../out", "*** Update File: /etc/x"),
    )

    assert patch.paths(edit) == ("n", "d/e", "f", "../out", "/etc/x")
    renamed = "diff --git a/f b/g\nrename from f\nrename to g\n--- a/x\n+++ b/x\n"
    assert patch.paths(renamed) == ("f", "g", "x")
    assert patch.paths("no edit") == ()
