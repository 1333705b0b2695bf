from __future__ import annotations

import difflib

from hypothesis import assume, given
from hypothesis import strategies as st

from qcode.editing import patch
from qcode.editing.outcome import Edited, Reason, Refused
from qcode.editing.replace import Replacement, replace

ODD = "\u2028\u2029\x85\x0b\x0c\r\ufeff\u00a0é…“"
LINE = st.text(st.sampled_from("ab1_ \t{}=-+@*\\" + ODD), max_size=6).map(lambda x: x.rstrip("\r"))
WORDS = st.text(st.sampled_from("abc d"), min_size=1, max_size=8)
ENDS = st.sampled_from(["\n", "\r\n"])


class Files:
    """Files in memory, as the engine's source."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def similar(self, path: str) -> list[str]:
        return [each for each in self.files if each.endswith(path)]

    def changed_since_seen(self, path: str) -> bool:
        return not path


def patched(text: str, edit: str) -> str | Refused:
    made = patch.apply(edit, Files({"f": text}))
    if isinstance(made, Refused):
        return made
    assert len(made) == 1
    assert made[0].after is not None
    return made[0].after


@st.composite
def texts(draw: st.DrawFn, line: st.SearchStrategy[str] = LINE, least: int = 1) -> list[str]:
    """Return lines with their ends, of both kinds; the last may have none."""
    lines = draw(st.lists(line, min_size=least, max_size=12))
    ended = [each + draw(ENDS) for each in lines]
    if lines[-1] and draw(st.booleans()):
        ended[-1] = lines[-1]
    if draw(st.booleans()):
        ended[0] = "\ufeff" + ended[0]
    return ended


@given(texts(), texts(), st.text(st.sampled_from("xyz\n"), min_size=1, max_size=6))
def test_a_unique_text_is_spliced_and_all_else_keeps_its_bytes(
    above: list[str], below: list[str], new: str
) -> None:
    head = "".join(above) if above[-1].endswith("\n") else "".join(above) + "\n"
    tail = "".join(below).removeprefix("\ufeff")

    outcome = replace(f"{head}<mark>{tail}", [Replacement("<mark>", f"<{new}>")])

    assert isinstance(outcome, Edited), outcome
    start, end = len(head), len(outcome.text) - len(tail)
    assert outcome.text[:start] == head
    assert outcome.text[end:] == tail
    assert outcome.text[start:end].replace("\r\n", "\n") == f"<{new}>"
    assert outcome.notes == ()


@given(texts(), st.data())
def test_untouched_lines_keep_their_ends(lines: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    end = "\r\n" if lines[at].endswith("\r\n") else "\n" if lines[at].endswith("\n") else ""
    lines[at] = "<mark>" + end

    outcome = replace("".join(lines), [Replacement("<mark>", "<1>\n<2>\n<3>")])

    assert isinstance(outcome, Edited), outcome
    added = end or ("\r\n" if any(line.endswith("\r\n") for line in lines[:at]) else "\n")
    if end:
        assert outcome.text == "".join([*lines[:at], f"<1>{end}<2>{end}<3>{end}", *lines[at + 1 :]])
    else:
        assert outcome.text.replace("\r\n", "\n").endswith("<1>\n<2>\n<3>")
        assert added in outcome.text or "\n" in outcome.text


@given(
    st.lists(st.tuples(st.integers(0, 3), WORDS.map(str.strip)), min_size=2, max_size=8),
    st.integers(1, 3),
    st.sampled_from(["    ", "  ", "\t"]),
    st.data(),
)
def test_shifted_text_is_replaced_with_the_files_indentation(
    block: list[tuple[int, str]], shift: int, unit: str, data: st.DataObject
) -> None:
    lines = [(depth, f"{word}#{number}") for number, (depth, word) in enumerate(block)]
    inner = [unit * (depth + shift) + line for depth, line in lines]
    text = "".join(f"{line}\n" for line in ["top", *inner, "end"])
    old = [unit * depth + line for depth, line in lines]
    at = data.draw(st.integers(0, len(old)))
    depth = data.draw(st.integers(0, 3))
    new = [*old[:at], unit * depth + "new!", *old[at:]]

    edit = Replacement("".join(f"{x}\n" for x in old), "".join(f"{x}\n" for x in new))
    outcome = replace(text, [edit])

    assert isinstance(outcome, Edited), outcome
    wanted = [*inner[:at], unit * (depth + shift) + "new!", *inner[at:]]
    assert outcome.text == "".join(f"{line}\n" for line in ["top", *wanted, "end"])


@given(texts(WORDS), st.integers(2, 4), WORDS)
def test_a_text_that_is_there_twice_is_never_edited(lines: list[str], times: int, new: str) -> None:
    between = "".join(lines).removeprefix("\ufeff")
    assume(between.endswith("\n"))
    text = "".join(f"<mark>\n{between}" for _ in range(times))

    outcome = replace(text, [Replacement("<mark>", new + "!")])

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.AMBIGUOUS
    assert f"{times} times" in outcome.text


@given(
    st.text(st.sampled_from('ab \t\n\r"\\n{}.#1:|é'), max_size=60),
    st.lists(
        st.builds(
            Replacement,
            st.text(st.sampled_from('ab \t\n\r"\\n{}.#1:|é'), max_size=12),
            st.text(st.sampled_from('ab \t\n\r"\\n{}.#1:|é'), max_size=12),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_any_edits_are_made_or_refused_with_words(
    text: str, edits: list[Replacement], stale: bool
) -> None:
    outcome = replace(text, edits, changed_since_seen=stale)

    if isinstance(outcome, Refused):
        assert outcome.text
        return
    assert outcome.text != text
    lines = outcome.text.count("\n") + 1
    assert outcome.places
    assert all(1 <= first <= last <= lines for first, last in outcome.places)
    # What is left of empty lines alone, one fewer where the text had no end, ends as they do.
    if text.replace("\r\n", "\n") and outcome.text.strip("\r\n"):
        assert (
            outcome.text.endswith("\n") == text.endswith("\n")
            or text.endswith("\n\n")
            or ("\n\n" in outcome.text + text)
        )


def unified(before: str, after: str, *, context: int = 3) -> str:
    """Return the diff as `diff -u` would write it, with marks for missing line ends."""
    old, new = split(before), split(after)
    rows = list(difflib.unified_diff(old, new, "a/f", "b/f", lineterm="", n=context))
    out = [f"{row}\n" for row in rows[:2]]
    for row in rows[2:]:
        if row.endswith("\n"):
            out.append(row)
        else:
            mark = "" if row.startswith("@@ ") else "\\ No newline at end of file\n"
            out.append(f"{row}\n{mark}")
    return "".join(out)


def split(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


PLAIN = st.text(st.sampled_from("ab \t{\u2028\x0cé-+@"), max_size=4)


@st.composite
def versions(draw: st.DrawFn) -> tuple[str, str]:
    """Return a text and one that some edits make of it."""
    lines = draw(st.lists(PLAIN, min_size=1, max_size=40))
    new = list(lines)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(new)))
        new[at : at + draw(st.integers(0, 3))] = draw(st.lists(PLAIN, max_size=3))
    before = "\n".join(lines) + draw(st.sampled_from(["", "\n"]))
    after = "\n".join(new) + draw(st.sampled_from(["", "\n"]))
    return before, after


@given(versions())
def test_a_diff_between_two_texts_makes_the_second_of_the_first(pair: tuple[str, str]) -> None:
    before, after = pair
    assume(before and after and before != after)
    diff = unified(before, after)
    assume("\n--- " not in diff)  # A removed `-- ` and an added `++ `: told to be no header.

    assert patched(before, diff) == after


@given(versions(), st.integers(0, 3))
def test_a_diff_with_any_context_is_exact_or_refused(pair: tuple[str, str], context: int) -> None:
    before, after = pair
    assume(before and after and before != after)

    outcome = patched(before, unified(before, after, context=context))

    assert isinstance(outcome, Refused) or outcome == after


@given(versions(), st.integers(1, 3), st.booleans())
def test_a_patch_of_the_codex_grammar_is_exact_or_refused(
    pair: tuple[str, str], context: int, at_end: bool
) -> None:
    before, after = pair
    assume(before.endswith("\n") == after.endswith("\n") and before and after)
    rows = unified(before, after, context=context).split("\n")[2:-1]
    rows = ["@@" if row.startswith("@@ -") else row for row in rows if row[:1] != "\\"]
    last = ["*** End of File"] if at_end and len(split(before)) <= context else []
    edit = "\n".join(["*** Begin Patch", "*** Update File: f", *rows, *last, "*** End Patch", ""])

    outcome = patched(before, edit)

    assert isinstance(outcome, Refused) or outcome == after


@given(versions())
def test_one_block_for_the_whole_text_is_exact_or_refused(pair: tuple[str, str]) -> None:
    before, after = pair
    assume(before.endswith("\n") and after.endswith("\n"))
    edit = f"f\n<<<<<<< SEARCH\n{before}=======\n{after}>>>>>>> REPLACE\n"

    outcome = patched(before, edit.replace("f\n", "./f\n", 1))

    assert isinstance(outcome, Refused) or outcome == after


@given(st.text(st.sampled_from('*@+- \nBeginPatchUdFl:ab<>=SEARCH\\"`/.'), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    files = Files({"a": "a\nb\n", "f": "x\n"})
    outcome = patch.apply(text, files)

    assert isinstance(outcome, Refused | tuple)
    assert isinstance(patch.paths(text), tuple)
    assert files.files == {"a": "a\nb\n", "f": "x\n"}


ROWS = st.sampled_from(
    [
        *("*** Begin Patch", "*** End Patch", "*** Update File: f", "*** Add File: n"),
        *("*** Delete File: a", "*** Move to: m", "*** End of File", "@@", "@@ x", "@@ -1 +1 @@"),
        *("--- a/f", "+++ b/f", "--- /dev/null", "+++ b/n", "+++ /dev/null", "--- a/a"),
        *("diff --git a/f b/f", "rename from f", "rename to m", "new file mode 100644"),
        *("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "f.x", "```", "```diff", "prose here"),
        *(" x", "-x", "+x", "+y", " a", "-a", "+b", "-b", " b", "x", "", " ", "\\ No newline"),
    ]
)


@given(st.lists(ROWS, max_size=14))
def test_rows_of_all_formats_are_read_or_refused_and_all_paths_named(rows: list[str]) -> None:
    text = "\n".join(rows)
    files = Files({"a": "a\nb\n", "f": "x\ny", "f.x": "x\n"})

    outcome = patch.apply(text, files)

    if isinstance(outcome, tuple):
        assert outcome
        named = patch.paths(text)
        assert all(change.path in named for change in outcome)
        assert all(not change.moved_from or change.moved_from in named for change in outcome)
        assert all(change.before != change.after or change.moved_from for change in outcome)
    else:
        assert outcome.text
