"""Function calling: questions read, right answers through the decoder, scores, a model asked.

The questions are made up for these tests, one or more of each category.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from eval_places import write
from scripted_server import ScriptedServer, Seen, Stream, Whole, call, calls, stream, text

from qcode.errors import ProviderError, QcodeError, UsageError
from qcode.evals.loaders import bfcl, bfcl_cli, bfcl_run
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.bfcl import Case
from qcode.evals.loaders.bfcl_score import Called, matches, score
from qcode.evals.loaders.bfcl_wire import called, decode, right_calls, wires
from qcode.providers import Provider
from qcode.providers.chat import ChatProvider
from qcode.providers.registry import make_provider, resolve
from qcode.providers.retry import RetryPolicy

BOOK = {
    "name": "hotel.book",
    "description": "Book a room.",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "nights": {"type": "integer"},
            "price": {"type": "float", "description": "Most to pay."},
            "extras": {"type": "array", "items": {"type": "string"}},
            "guest": {
                "type": "dict",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            },
            "quiet": {"type": "boolean"},
        },
        "required": ["city", "nights"],
    },
}
SUM = {
    "name": "add_up",
    "description": "Add numbers.",
    "parameters": {
        "type": "dict",
        "properties": {"numbers": {"type": "array", "items": {"type": "float"}}},
        "required": ["numbers"],
    },
}
BOOKED = {
    "hotel.book": {
        "city": ["Bad Ems", "Bad Ems, Germany"],
        "nights": [2],
        "price": [80.5, ""],
        "extras": [["sea-view", "Tea"], ""],
        "guest": [{"name": ["Ada L."], "age": [36, ""]}, ""],
        "quiet": [True, ""],
    }
}
TOTAL = {"add_up": {"numbers": [[1, 2.5]]}}
OTHER = {"add_up": {"numbers": [[3.0], [4.0]]}}


def row(name: str, *functions: Any, said: str = "Book it.") -> dict[str, Any]:
    question = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": said}]]
    return {"id": name, "question": question, "function": list(functions)}


ROWS: dict[str, tuple[list[dict[str, Any]], list[list[Any]] | None]] = {
    "simple": ([row("simple_0", BOOK), row("simple_1", SUM)], [[BOOKED], [TOTAL]]),
    "multiple": ([row("multiple_0", SUM, BOOK)], [[BOOKED]]),
    "parallel": ([row("parallel_0", SUM)], [[TOTAL, OTHER]]),
    "parallel_multiple": ([row("parallel_multiple_0", BOOK, SUM)], [[BOOKED, TOTAL]]),
    "irrelevance": ([row("irrelevance_0", SUM, said="Sing a song.")], None),
    "live_simple": ([row("live_simple_0-0-0", SUM)], [[OTHER]]),
    "live_relevance": ([row("live_relevance_0", SUM)], None),
}


def data(top: Path, version: str = "v3") -> Path:
    for category, (rows, answers) in ROWS.items():
        name = f"BFCL_{version}_{category}.json"
        write(top, {name: "".join(f"{json.dumps(each)}\n" for each in rows)})
        if answers is not None:
            lines = [
                json.dumps({"id": each["id"], "ground_truth": truth})
                for each, truth in zip(rows, answers, strict=True)
            ]
            write(top, {f"possible_answer/{name}": "\n".join(lines)})
    return top


def cases(tmp_path: Path) -> dict[str, Case]:
    loaded = bfcl.load(data(tmp_path / "data"), Loading(tmp_path))
    return {case.id: case for case in loaded}


def test_questions_of_each_category_are_read(tmp_path: Path) -> None:
    found = cases(tmp_path)

    assert {each.category for each in found.values()} == set(ROWS)
    assert found["irrelevance_0"].wants == "none"
    assert found["live_relevance_0"].wants == "any"
    one = found["simple_0"]
    assert (one.system, one.question, one.wants) == ("Be brief.", "Book it.", "calls")


def test_version_four_is_read_as_well(tmp_path: Path) -> None:
    assert len(bfcl.load(data(tmp_path, "v4"), Loading(tmp_path))) == 8


def test_functions_are_told_as_apis_take_them(tmp_path: Path) -> None:
    spec = cases(tmp_path)["simple_0"].functions[0].spec

    assert spec.name == "hotel_book"
    assert spec.parameters["type"] == "object"
    assert spec.parameters["properties"]["price"] == {
        "type": "number",
        "description": "Most to pay. This is a float.",
    }
    assert spec.parameters["properties"]["guest"]["type"] == "object"
    assert spec.parameters["required"] == ["city", "nights"]


def test_what_is_not_played_is_said(tmp_path: Path) -> None:
    told = Loading(tmp_path)
    top = data(tmp_path / "d")
    for category in ("multi_turn_base", "java", "exec_simple", "new_thing"):
        write(top, {f"BFCL_v3_{category}.json": "{}\n"})

    bfcl.load(top, told)

    assert {each.id: each.reason for each in told.left_out} == {
        "bfcl-multi_turn_base": "it is asked over several turns",
        "bfcl-java": "its answers are literals of another language",
        "bfcl-exec_simple": "its functions would have to be run",
        "bfcl-new_thing": "nothing is known of this category",
    }


def test_mistakes_in_the_data_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no questions of BFCL"):
        bfcl.load(tmp_path, Loading(tmp_path))
    write(tmp_path, {"BFCL_v3_simple.json": json.dumps(row("a", SUM))})
    with pytest.raises(UsageError, match="the answers to BFCL_v3_simple.json are missing"):
        bfcl.load(tmp_path, Loading(tmp_path))
    write(tmp_path, {"possible_answer/BFCL_v3_simple.json": '{"id": "a", "ground_truth": [1]}'})
    with pytest.raises(UsageError, match=r"simple.json:1: `ground_truth` is a list"):
        bfcl.load(tmp_path, Loading(tmp_path))
    write(tmp_path, {"possible_answer/BFCL_v3_simple.json": '{"id": "b", "ground_truth": []}'})
    with pytest.raises(UsageError, match="there is no possible answer to a"):
        bfcl.load(tmp_path, Loading(tmp_path))


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_right_answers_come_out_of_the_decoder_in_each_protocol_and_style(
    size: int, tmp_path: Path
) -> None:
    wrong = []
    seen = set()
    for case in cases(tmp_path).values():
        for wire in wires(case, size=size):
            seen.add(wire.protocol)
            found = score(case, called(decode(case, wire.parts, wire.finish_reason)))
            if not found.passed:
                wrong.append((case.id, wire.protocol, found.fault, found.detail))

    assert wrong == []
    assert {"native", "hermes", "fenced", "glm", "qwen3-coder", "minimax"} <= seen


GOOD = {
    "city": "bad ems",
    "nights": 2,
    "price": 80.5,
    "extras": ["sea view", "tea"],
    "guest": {"name": "ada l", "age": 36},
    "quiet": True,
}


@pytest.mark.parametrize(
    "name, change, fault",
    [
        ("hotel_book", {}, ""),
        ("hotel.book", {}, ""),
        ("hotel_book", {"city": "Bad Ems, Germany"}, ""),
        ("hotel_book", {"price": None}, ""),
        ("hotel_book", {"guest": {"name": "Ada L."}}, ""),
        ("hotel_book", {"city": None}, "missing"),
        ("hotel_book", {"city": "Berlin"}, "value"),
        ("hotel_book", {"nights": "2"}, "type"),
        ("hotel_book", {"nights": 2.0}, "type"),
        ("hotel_book", {"nights": True}, "type"),
        ("hotel_book", {"quiet": 1}, "type"),
        ("hotel_book", {"quiet": False}, "value"),
        ("hotel_book", {"price": 81}, "value"),
        ("hotel_book", {"extras": ["tea", "sea view"]}, "value"),
        ("hotel_book", {"extras": [1]}, "type"),
        ("hotel_book", {"guest": {"age": 36}}, "value"),
        ("hotel_book", {"guest": {"name": "Ada L.", "town": "x"}}, "value"),
        ("hotel_book", {"stars": 3}, "unexpected"),
        ("add_up", {}, "name"),
    ],
)
def test_one_call_is_judged_by_name_types_and_values(
    name: str, change: Mapping[str, Any], fault: str, tmp_path: Path
) -> None:
    arguments = {key: value for key, value in {**GOOD, **change}.items() if value is not None}

    found = score(cases(tmp_path)["multiple_0"], [Called(name, arguments)])

    assert (found.fault, found.passed) == (fault, fault == "")


def test_an_integer_does_for_a_float(tmp_path: Path) -> None:
    case = cases(tmp_path)["live_simple_0-0-0"]

    assert score(case, [Called("add_up", {"numbers": [3]})]).passed
    assert not score(case, [Called("add_up", {"numbers": [3, 4]})]).passed


def test_parallel_calls_are_right_in_any_order_and_none_counts_twice(tmp_path: Path) -> None:
    case = cases(tmp_path)["parallel_0"]
    one, other = Called("add_up", {"numbers": [1, 2.5]}), Called("add_up", {"numbers": [4.0]})

    assert score(case, [other, one]).passed
    assert score(case, [one, one]).fault == "value"
    assert score(case, [one]).fault == "count"
    assert score(case, [one, other, other]).fault == "count"


def test_an_answer_that_fits_two_calls_is_kept_for_the_one_that_needs_it() -> None:
    wide, narrow = {"f": {"x": [1, 2]}}, {"f": {"x": [1]}}
    function = bfcl._function(
        {"name": "f", "parameters": {"type": "dict", "properties": {"x": {"type": "integer"}}}}, ""
    )
    case = Case("a", "parallel", "", "", (function,), "calls", (wide, narrow))

    assert score(case, [Called("f", {"x": 1}), Called("f", {"x": 2})]).passed
    assert score(case, [Called("f", {"x": 2}), Called("f", {"x": 1})]).passed
    assert not score(case, [Called("f", {"x": 2}), Called("f", {"x": 2})]).passed


def test_irrelevance_is_no_call_and_relevance_any(tmp_path: Path) -> None:
    found = cases(tmp_path)
    some = [Called("add_up", {})]

    assert score(found["irrelevance_0"], []).passed
    assert score(found["irrelevance_0"], some).fault == "unasked_call"
    assert score(found["live_relevance_0"], some).passed
    assert score(found["live_relevance_0"], []).fault == "no_call"
    assert score(found["simple_0"], [Called("hotel_book", {}, is_readable=False)]).fault == (
        "unreadable"
    )


def test_texts_are_compared_without_case_blanks_and_signs() -> None:
    assert matches("April 1, 2024", "april 1 2024")
    assert matches("it's", 'it"s')
    assert not matches("April 2", "April 1")
    assert not matches("1", 1)
    assert not matches(1, True)


# ------------------------------------------------------------------ a model


def provider(base_url: str, protocol: Any = "native") -> Provider:
    target = resolve("scripted", base_url, {})
    return make_provider(
        target, session_key="t", tool_protocol=protocol, style="hermes",
        policy=RetryPolicy(attempts=1),
    )  # fmt: skip


def played(
    some: list[Case], base_url: str, out: Path, protocol: str = "native", **options: Any
) -> list[bfcl_run.Answer]:
    async def main() -> list[bfcl_run.Answer]:
        asked = provider(base_url, protocol)
        try:
            return await bfcl_run.play(some, asked, out, **options)
        finally:
            await asked.close()

    return asyncio.run(main())


def right(found: dict[str, Case], protocol: str) -> Any:
    """Return a model that answers each question rightly; it knows them by their tools."""
    by_question: dict[str, list[Case]] = {}

    def answer(seen: Seen) -> Stream | Whole:
        body = seen.json
        queue = by_question["all"]
        case = queue.pop(0)
        if protocol == "native":
            assert [tool["function"]["name"] for tool in body["tools"]] == [
                each.spec.name for each in case.functions
            ]
        made = list(right_calls(case))
        if case.wants == "any":
            return calls(("add_up", {"numbers": [1]}))
        if not made:
            return text("I cannot.")
        if protocol == "native":
            return calls(*((each.name, json.loads(each.arguments)) for each in made))
        (wire,) = (each for each in wires(case) if each.protocol == "hermes")
        return text("".join(part.text for part in wire.parts))  # type: ignore[union-attr]

    by_question["all"] = list(found.values())
    return answer


@pytest.mark.parametrize("protocol", ["native", "prompted"])
def test_a_model_that_is_right_scores_all(protocol: str, tmp_path: Path) -> None:
    found = cases(tmp_path)
    if protocol == "prompted":
        found.pop("live_relevance_0")
    with ScriptedServer(right(found, protocol)) as server:
        answers = played(list(found.values()), server.base_url, tmp_path / "out.jsonl", protocol)

    assert [(each.id, each.score) for each in answers if not each.score.passed] == []
    assert [each.id for each in answers] == list(found)


def test_what_was_answered_is_not_asked_again_and_what_was_torn_is(tmp_path: Path) -> None:
    found = list(cases(tmp_path).values())[:3]
    out = tmp_path / "out.jsonl"
    with ScriptedServer([text("no"), text("no"), text("no")]) as server:
        played(found, server.base_url, out)
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[:2]) + lines[2][:20])

    with ScriptedServer([text("no")]) as server:
        answers = played(found, server.base_url, out)
        asked = len(server.requests)

    assert asked == 1
    assert [each.id for each in answers] == [case.id for case in found]
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [
        case.id for case in found
    ]


def test_a_request_that_fails_is_no_wrong_answer_and_is_asked_again(tmp_path: Path) -> None:
    case = cases(tmp_path)["simple_0"]
    out = tmp_path / "out.jsonl"
    with ScriptedServer([Whole(b"{}", status=500)]) as server:
        (failed,) = played([case], server.base_url, out)
    with ScriptedServer([text("no")]) as server:
        (answer,) = played([case], server.base_url, out)

    assert failed.error
    assert "not answered 1" in bfcl_run.table([failed])
    assert (answer.error, answer.score.fault) == ("", "no_call")


def test_what_is_right_as_repaired_alone_is_counted_so(tmp_path: Path) -> None:
    case = cases(tmp_path)["simple_0"]
    script = [call("hotel_book", city="Bad Ems", nights=n, quiet=True) for n in ("2", 2)]
    with ScriptedServer(script) as server:
        (loose,) = played([case], server.base_url, tmp_path / "a")
        (strict,) = played([case], server.base_url, tmp_path / "b")

    assert (loose.score.passed, strict.score.passed) == (True, True)
    assert [bfcl_run.rows([each])[-1].repaired for each in (loose, strict)] == [1, 0]
    assert bfcl_run.read(tmp_path / "a", "scripted")[case.id].calls == loose.calls


def test_a_key_that_is_refused_ends_it(tmp_path: Path) -> None:
    found = list(cases(tmp_path).values())
    with ScriptedServer(lambda _: Whole(b"{}", status=401)) as server:
        with pytest.raises(ProviderError):
            played(found, server.base_url, tmp_path / "o", slots=2)
        assert len(server.requests) < len(found)


def test_a_file_of_answers_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(QcodeError, match=r"cannot be (?:read|written)"):
        played([], "http://127.0.0.1:9/v1", tmp_path / "folder")


def test_the_table_has_each_category_and_what_was_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = data(tmp_path / "data")
    with ScriptedServer(lambda _: stream(text("no").items[0], finish="stop")) as server:
        code = bfcl_cli.run(
            f"bfcl:{top}", provider(server.base_url), tmp_path / "o.jsonl", Loading(tmp_path),
            only=4, show=False,
        )  # fmt: skip

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0].split() == [
        *("category", "right", "of", "share", "repaired", "what", "was", "wrong")
    ]
    assert lines[-1] == f"answers: {tmp_path / 'o.jsonl'}"
    assert lines[-2].split()[:3] == ["all", "1", "4"]


def test_answers_are_gone_on_with_by_the_same_model_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top, out = data(tmp_path / "data"), tmp_path / "o.jsonl"

    def run(some: int, model: str = "scripted") -> int:
        with ScriptedServer(lambda _: text("no")) as server:
            asked = ChatProvider(base_url=server.base_url, model=model)
            bfcl_cli.run(
                f"bfcl:{top}", asked, out, Loading(tmp_path), only=some, show=False, in_json=True
            )
            return len(server.requests)

    assert (run(4), run(4)) == (4, 0)
    told = capsys.readouterr()
    assert told.err == f"4 of 4 are answered in {out} already\n"
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert rows[0] == rows[1]
    assert rows[0]["model"] == "scripted"
    assert rows[0]["categories"][-1]["judged"] == 4
    with pytest.raises(QcodeError, match="has answers of scripted, and other is asked"):
        run(4, "other")
