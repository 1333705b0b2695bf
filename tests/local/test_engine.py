from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from local_doubles import FakeServer, Watcher

from qcode.errors import QcodeError
from qcode.local import cpu as cpu_module
from qcode.local.catalog import PREBUILT, WHEEL
from qcode.local.cpu import Cpu
from qcode.local.engine import Program, choose, unfitness
from qcode.local.server import Serving, command

AVX2 = frozenset({"avx2", "fma", "f16c", "bmi2"})
AVX512 = AVX2 | {
    "avx512f",
    "avx512bw",
    "avx512dq",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
}


@pytest.mark.parametrize(
    "cpu, prebuilt, wheel",
    [
        (Cpu("linux-x86_64", AVX512), "", ""),
        (Cpu("linux-x86_64", AVX2), "needs a processor with avx512f and 6 more", ""),
        (
            Cpu("linux-x86_64", AVX512 - {"avx512_bf16"}),
            "needs a processor with avx512_bf16",
            "",
        ),
        (
            Cpu("linux-x86_64", frozenset({"sse4_2"})),
            "needs a processor with avx2 and 9 more",
            "needs a processor with avx2 and 3 more",
        ),
        (Cpu("linux-aarch64", None), "is not there for linux-aarch64", ""),
        (Cpu("darwin-arm64", None), "is not there for darwin-arm64", ""),
        (
            Cpu("freebsd-amd64", None),
            "is not there for freebsd-amd64",
            "is not there for freebsd-amd64",
        ),
    ],
)
def test_a_server_is_chosen_by_what_the_processor_can(cpu: Cpu, prebuilt: str, wheel: str) -> None:
    assert (unfitness(PREBUILT, cpu), unfitness(WHEEL, cpu)) == (prebuilt, wheel)


def test_a_server_on_path_comes_first(
    fake_server: Callable[..., FakeServer], tmp_path: Path, watcher: Watcher
) -> None:
    fake = fake_server()

    engine = choose(Cpu("linux-x86_64", AVX512), tmp_path / "servers", watcher)

    options = frozenset({"--cache-ram", "--no-ui", "--cors-origins"})
    assert engine == Program(fake.path, options, own=False)
    assert watcher.notes == [f"server: `{fake.path}`, found on PATH"]


def test_when_nothing_fits_every_reason_is_given(
    fake_server: Callable[..., FakeServer], tmp_path: Path, watcher: Watcher
) -> None:
    fake = fake_server(version_status=127)

    with pytest.raises(QcodeError) as failure:
        choose(Cpu("linux-riscv64", None), tmp_path / "servers", watcher)

    message = failure.value.message
    assert f"`{fake.path}` does not run" in message
    assert "xllamacpp is not there for linux-riscv64" in message
    assert "--base-url" in failure.value.hint


def test_a_server_that_cannot_be_downloaded_is_one_clear_error(
    tmp_path: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with pytest.raises(QcodeError, match="no model server runs here.*xllamacpp") as failure:
        choose(Cpu("linux-x86_64", AVX2), tmp_path / "servers", watcher)

    assert "\n" not in str(failure.value)
    assert not (tmp_path / "servers" / "incoming").exists()


SERVING = Serving(
    model=Path("/models/m.gguf"),
    id="m",
    port=8123,
    context=4096,
    threads=2,
    template=Path("/t.jinja"),
)
PLAIN = [
    *("-m", "/models/m.gguf", "--alias", "m", "--host", "127.0.0.1", "--port", "8123"),
    *("-c", "4096", "-t", "2", "--parallel", "1", "--temp", "0", "--jinja"),
]


def test_an_old_server_gets_only_the_options_it_knows(tmp_path: Path) -> None:
    engine = Program(Path("/bin/llama-server"), frozenset({"--no-ui"}), own=False)

    line = command(engine, dataclasses.replace(SERVING, template=None), tmp_path)

    assert line == ["/bin/llama-server", *PLAIN, "--no-ui"]


def test_our_own_server_stays_off_the_gpu_and_the_network(tmp_path: Path) -> None:
    options = frozenset({"--cache-ram", "--device", "--offline", "--cors-origins"})

    line = command(Program(Path("/own"), options, own=True), SERVING, tmp_path)

    assert line[1:] == [
        *PLAIN,
        *("--chat-template-file", "/t.jinja", "--cache-ram", "1024"),
        *("--cors-origins", "http://127.0.0.1:8123", "--offline", "--device", "none"),
    ]


def test_two_threads_of_one_core_count_once() -> None:
    one = "processor\t: {}\nphysical id\t: 0\ncore id\t\t: {}\n\n"
    cpuinfo = "".join(one.format(n, n // 2) for n in range(8))

    assert cpu_module._cores(cpuinfo, {0, 1, 2, 3, 4}) == 3
    assert cpu_module._cores("", {0, 1}) == 0


def test_there_is_at_least_one_thread() -> None:
    assert cpu_module.threads() >= 1
    assert "-" in cpu_module.this_cpu().platform
