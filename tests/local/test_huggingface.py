from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from local_doubles import Answer, Hub, Watcher, Web, write_gguf

from qcode.errors import QcodeError, UsageError
from qcode.local.fetch import fetch
from qcode.paths import data_dir


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "some.gguf").read_bytes()


Start = Callable[[Hub], Hub]


def test_q4_k_m_is_taken_when_nothing_is_said(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    start(Hub({"m-Q8_0.gguf": b"no", "m-Q4_K_M.gguf": content, "mmproj-Q4_K_M.gguf": b"no"}))

    model = fetch("owner/name", progress=watcher)

    assert model.path == data_dir() / "models" / "owner" / "name" / "m-Q4_K_M.gguf"
    assert model.id == "m"
    assert model.path.read_bytes() == content
    size = len(content)
    assert ("downloading m-Q4_K_M.gguf", size, size) in watcher.updates


@pytest.mark.parametrize("choice", ["q8_0", "Q8_0", "m-q8_0.gguf"])
def test_a_quantisation_or_a_file_can_be_named(
    choice: str, content: bytes, start: Start, watcher: Watcher
) -> None:
    start(Hub({"m-q8_0.gguf": content, "m-q4_k_m.gguf": b"no"}))

    assert fetch(f"owner/name:{choice}", progress=watcher).path.name == "m-q8_0.gguf"


def test_the_only_file_is_taken_whatever_its_name(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    start(Hub({"sub/model.gguf": content}))

    assert fetch("owner/name", progress=watcher).path.parent.name == "sub"


def test_a_file_that_is_here_needs_no_network(
    content: bytes, start: Start, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(Hub({"m-q4_k_m.gguf": content}))
    first = fetch("owner/name", progress=watcher)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    assert fetch("owner/name", progress=watcher) == first


def test_a_model_in_parts_is_fetched_whole(content: bytes, start: Start, watcher: Watcher) -> None:
    parts = [f"q/m-q4_k_m-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    hub = start(Hub({parts[0]: content, parts[1]: b"two", parts[2]: b"three"}))

    model = fetch("owner/name:Q4_K_M", progress=watcher)

    folder = data_dir() / "models" / "owner" / "name" / "q"
    assert model.path == folder / "m-q4_k_m-00001-of-00003.gguf"
    assert model.id == "m"
    assert sorted(path.name for path in folder.iterdir()) == [name[2:] for name in parts]
    assert hub.queries == ["blobs=true"]
    assert fetch("owner/name", progress=watcher) == model


def test_parts_that_are_here_are_not_fetched_again(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    parts = [f"m-q4_k_m-0000{n}-of-00002.gguf" for n in (1, 2)]
    hub = start(Hub({parts[0]: content, parts[1]: b"two"}))
    fetch("owner/name", progress=watcher)
    (data_dir() / "models" / "owner" / "name" / parts[1]).unlink()
    hub.asked.clear()

    fetch("owner/name", progress=watcher)

    assert hub.asked == [None]


def test_space_is_asked_for_all_parts_before_anything_is_fetched(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    parts = [f"m-q4_k_m-0000{n}-of-00002.gguf" for n in (1, 2)]
    hub = start(Hub({parts[0]: content, parts[1]: b"two"}, sizes={parts[1]: 10**18}))

    with pytest.raises(QcodeError, match=r"not enough disk space.*1000000000\.0 GB needed"):
        fetch("owner/name", progress=watcher)

    assert hub.asked == []


def test_a_broken_connection_is_taken_up_where_it_stopped(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    hub = start(Hub({"m.gguf": content}, cut=1500))

    model = fetch("owner/name", progress=watcher)

    assert model.path.read_bytes() == content
    assert hub.asked == [None, "bytes=1500-"]


def test_what_an_earlier_run_left_is_gone_on_with(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    hub = start(Hub({"m.gguf": content}))
    partial = data_dir() / "models/owner/name/m.gguf.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content[:1000])

    model = fetch("owner/name", progress=watcher)

    assert model.path.read_bytes() == content
    assert hub.asked == ["bytes=1000-"]
    assert not partial.exists()


def test_a_server_without_ranges_starts_over(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    start(Hub({"m.gguf": content}, ranges=False))
    partial = data_dir() / "models/owner/name/m.gguf.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 1000)

    assert fetch("owner/name", progress=watcher).path.read_bytes() == content


def test_a_wrong_checksum_is_refused_and_the_file_removed(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    start(Hub({"m.gguf": content}))
    partial = data_dir() / "models/owner/name/m.gguf.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 1000)

    with pytest.raises(QcodeError, match="wrong checksum"):
        fetch("owner/name", progress=watcher)

    assert list(partial.parent.iterdir()) == []


def test_a_file_without_checksum_is_taken_with_a_word(
    content: bytes, start: Start, watcher: Watcher
) -> None:
    start(Hub({"m.gguf": content}, checksums=False))

    fetch("owner/name", progress=watcher)

    assert any("no checksum" in note for note in watcher.notes)


def test_the_token_stays_with_the_hub(
    content: bytes,
    start: Start,
    serve: Callable[[Answer], Web],
    watcher: Watcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = start(Hub({"m.gguf": content}))
    monkeypatch.setenv("HF_TOKEN", "secret")

    fetch("owner/name", progress=watcher)

    assert hub.tokens == {"api": "Bearer secret", "owner": "Bearer secret", "cdn": None}


@pytest.mark.parametrize(
    "files, source, words",
    [
        ({"m-q8_0.gguf": b"", "m-q2_k.gguf": b""}, "owner/name", "which file"),
        ({"m-q8_0.gguf": b""}, "owner/name:q3_k", "has no `q3_k`"),
        ({"m-q4_k_m-00001-of-00002.gguf": b""}, "owner/name:q4_k_m", "has no GGUF files"),
        ({"../../up.gguf": b""}, "owner/name", "has no GGUF files"),
        ({}, "owner/name", "has no GGUF files"),
        ({}, "owner/other", "was not found"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(
    files: dict[str, bytes], source: str, words: str, start: Start, watcher: Watcher
) -> None:
    start(Hub(files))

    with pytest.raises(QcodeError, match=words) as failure:
        fetch(source, progress=watcher)

    assert failure.value.hint
    assert "\n" not in str(failure.value)


def test_an_unclear_choice_names_the_files(start: Start, watcher: Watcher) -> None:
    start(Hub({"m-q8_0.gguf": b"", "m-q2_k.gguf": b""}))

    with pytest.raises(UsageError) as failure:
        fetch("owner/name", progress=watcher)

    assert "m-q2_k.gguf, m-q8_0.gguf" in failure.value.hint


def test_a_gated_repository_says_what_helps(start: Start, watcher: Watcher) -> None:
    start(Hub({}, gated=True))

    with pytest.raises(QcodeError) as failure:
        fetch("owner/name", progress=watcher)

    assert "HF_TOKEN" in failure.value.hint


def test_no_network_is_one_clear_error(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(QcodeError, match="cannot be reached"):
        fetch("owner/name", progress=watcher)


def test_a_page_instead_of_a_hub_is_one_clear_error(
    serve: Callable[[Answer], Web], watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = serve(lambda request, body: (200, {}, b"<html>"))
    monkeypatch.setenv("HF_ENDPOINT", web.url)

    with pytest.raises(QcodeError, match="does not answer like a model hub"):
        fetch("owner/name", progress=watcher)
