from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from local_doubles import FakeServer, Hub, Watcher

from qcode import local
from qcode.errors import QcodeError, UsageError
from qcode.local import gguf
from qcode.local.devices import Gpu
from qcode.local.engine import Program
from qcode.local.huggingface import Wanted
from qcode.local.known import Disk, Known, Planner, known
from qcode.local.offers import Offer
from qcode.local.server import Serving, command
from qcode.local.service import Registry
from qcode.models.hardware import Hardware
from qcode.models.model import Model, Reasoning, Sampling, Weights
from qcode.models.tuning import Tuning
from qcode.paths import data_dir
from qcode.record import replace

GIB = 1 << 30
CODER = Model(
    "coder-30b-a3b",
    context_window=262_144,
    sampling=Sampling(temperature=0.7, top_k=20),
    reasoning=Reasoning("tags"),
    weights=Weights("o/coder", 30.5, 3.3, 98_304, "owner/name", quantisations={"Q4_K_M": 18.6}),
)
SMALL = Model("small-4b", weights=Weights("o/small", 4.0, 4.0, 50_000, "owner/small"))
CLOSED = Model("closed")
BARE = Model("bare-7b", weights=Weights("o/bare", 7.0, 7.0))
MODELS = {model.id: model for model in (CODER, SMALL, CLOSED, BARE)}
OFFERED = (
    Offer(("m-BF16.gguf",), 61_000_000_000),
    Offer(("m-Q8_0.gguf",), 32_500_000_000),
    Offer(("m-Q4_K_M.gguf",), 18_600_000_000),
    Offer(("m-Q2_K.gguf",), 11_300_000_000),
)


def machine(free_gib: float, *cards: Gpu) -> Hardware:
    return Hardware("linux-x86_64", 256 * GIB, int(free_gib * GIB), 8, None, cards)


def planner(
    free_gib: float,
    *cards: Gpu,
    model: Model | None = CODER,
    registered: bool = True,
    context: int | None = None,
    returned: int = 0,
    others: Iterable[Model] = (),
) -> Planner:
    return Planner(
        "coder-30b-a3b",
        model,
        machine(free_gib, *cards),
        is_registered=registered,
        context=context,
        returned_bytes=returned,
        others=lambda: others,
    )


@pytest.mark.parametrize(
    "source, choice",
    [
        ("coder-30b-a3b", None),
        ("coder-30b-a3b:Q4_K_M", "Q4_K_M"),
        ("coder-30b-a3b:ud-q4_k_xl", "ud-q4_k_xl"),
        ("coder-30b-a3b:some.gguf", "some.gguf"),
    ],
)
def test_a_name_may_come_with_a_quantisation(source: str, choice: str | None) -> None:
    assert known(source, MODELS.get) == Known(CODER, Wanted("owner/name", choice))


@pytest.mark.parametrize("source", ["nobody", "owner/name", "owner/name:Q4_K_M", "coder.gguf", ""])
def test_other_sources_are_no_names(source: str) -> None:
    assert known(source, MODELS.get) is None


@pytest.mark.parametrize(
    "source, words", [("closed", "are not published"), ("bare-7b:Q4_K_M", "no GGUF files")]
)
def test_a_model_without_files_says_what_helps(source: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as failure:
        known(source, MODELS.get)

    assert failure.value.hint


@pytest.mark.parametrize("free, name", [(200, "Q4_K_M"), (24, "Q4_K_M"), (16, "Q2_K")])
def test_the_best_that_fits_is_taken_of_what_is_offered(free: float, name: str) -> None:
    found = planner(free).select(OFFERED, None)

    assert found is not None
    assert found.quantisation == name


def with_disk(folder: Path, free: int, note: Callable[[str], None] | None = None) -> Planner:
    return Planner(
        *("coder-30b-a3b", CODER, machine(200)),
        is_registered=True,
        context=None,
        disk=Disk(folder, free),
        note=note,
    )


def test_the_disk_bounds_what_is_fetched_and_not_what_is_here(tmp_path: Path) -> None:
    notes: list[str] = []
    small = with_disk(tmp_path, 12_000_000_000, notes.append)
    here = tuple(dataclasses.replace(one, is_here=True) for one in OFFERED)

    assert small.select(OFFERED, None) == OFFERED[3]
    assert small.select(here, None) == here[2]
    assert notes == [
        "taking Q2_K (11.3 GB), the best that fits",
        "taking Q4_K_M (18.6 GB), which is here",
    ]


def test_what_the_disk_cannot_hold_says_what_it_can(tmp_path: Path) -> None:
    with pytest.raises(QcodeError) as failure:
        with_disk(tmp_path, 12_000_000_000).select(OFFERED, "Q4_K_M")

    assert str(failure.value) == (
        f"`coder-30b-a3b:Q4_K_M` needs 18.6 GB on the disk, and 12.0 GB are free in `{tmp_path}`; "
        "`coder-30b-a3b:Q2_K` fits"
    )


@pytest.mark.parametrize("choice", [None, "Q2_K"])
def test_where_the_disk_holds_nothing_it_says_what_helps(
    choice: str | None, tmp_path: Path
) -> None:
    with pytest.raises(QcodeError, match="on the disk") as failure:
        with_disk(tmp_path, 1_000_000_000).select(OFFERED, choice)

    assert "XDG_DATA_HOME" in failure.value.hint


def test_what_came_already_needs_no_room(tmp_path: Path) -> None:
    offer = Offer(("m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf"), 3000)
    (tmp_path / offer.files[0]).write_bytes(bytes(1000))
    (tmp_path / f"{offer.files[1]}.partial").write_bytes(bytes(500))

    assert Disk(tmp_path, 0).missing(offer) == 1500
    assert Disk(tmp_path, 1500).holds(offer)
    assert not Disk(tmp_path, 1499).holds(offer)


def test_what_is_here_and_too_large_leaves_it_to_the_repository() -> None:
    here = tuple(dataclasses.replace(one, is_here=True) for one in OFFERED[1:2])

    assert planner(24).select(here, None) is None
    with pytest.raises(QcodeError):
        planner(24).select(here, "Q8_0")


def test_a_card_gets_more_bits() -> None:
    card = Gpu("nvidia", "NVIDIA A6000", 48 * GIB, 48 * GIB)

    found = planner(24, card).select(OFFERED, None)

    assert found is not None
    assert found.quantisation == "Q8_0"


def test_what_was_said_is_taken() -> None:
    found = planner(64).select(OFFERED, "q8_0")

    assert found is not None
    assert found.quantisation == "Q8_0"
    assert planner(64).select(OFFERED, "Q5_K_M") is None


def test_even_sixteen_bits_are_taken_if_somebody_says_so() -> None:
    found = planner(200).select(OFFERED, "BF16")

    assert found == OFFERED[0]
    with pytest.raises(QcodeError, match="`coder-30b-a3b:BF16` needs 6"):
        planner(48).select(OFFERED, "BF16")


def test_a_repository_that_somebody_named_keeps_its_default() -> None:
    found = planner(200, model=None, registered=False).select(OFFERED, None)

    assert found is not None
    assert found.quantisation == "Q4_K_M"


def test_what_is_too_large_says_what_fits_instead() -> None:
    with pytest.raises(QcodeError) as failure:
        planner(24).select(OFFERED, "Q8_0")

    assert str(failure.value) == (
        "`coder-30b-a3b:Q8_0` needs 34.4 GB of memory with 16384 tokens of context, and "
        "25.3 GB of RAM can be used; `coder-30b-a3b:Q4_K_M` fits"
    )


def test_where_nothing_of_it_fits_another_model_may() -> None:
    with pytest.raises(QcodeError) as failure:
        planner(6, others=MODELS.values()).select(OFFERED, None)

    assert "`coder-30b-a3b:Q2_K` needs 13.2 GB" in failure.value.message
    assert failure.value.hint == "`qcode local up small-4b` fits"


def test_where_nothing_fits_at_all_the_smallest_is_named() -> None:
    with pytest.raises(QcodeError) as failure:
        planner(1).select(OFFERED, None)

    assert "`qcode local up 1.5b`" in failure.value.hint


def test_too_much_context_is_said_to_be() -> None:
    with pytest.raises(QcodeError) as failure:
        planner(22, context=131_072).select(OFFERED[2:3], "Q4_K_M")

    assert "with 131072 tokens of context" in failure.value.message
    assert failure.value.hint == "try a smaller --context, such as 16384"


def test_memory_of_the_server_that_is_stopped_counts() -> None:
    with pytest.raises(QcodeError):
        planner(8).select(OFFERED, None)

    assert planner(8, returned=16 * GIB).select(OFFERED, None)


def test_an_unknown_model_is_judged_by_its_size() -> None:
    unknown = planner(24, model=None, registered=False)

    assert unknown.select(OFFERED, "Q4_K_M") == OFFERED[2]
    with pytest.raises(QcodeError, match="needs 3[0-9.]+ GB"):
        unknown.select(OFFERED, "Q8_0")


def test_sizes_that_nobody_tells_are_not_judged() -> None:
    offered = (Offer(("m-Q4_K_M.gguf",), None),)

    assert planner(1).select(offered, None) == offered[0]


def test_the_file_itself_says_layers_and_cache(tmp_path: Path) -> None:
    path = tmp_path / "m-Q4_K_M.gguf"
    path.write_bytes(bytes(1000))
    facts = gguf.Gguf("llama", "m", 65_536, layers=4, cache_bytes=1_000_000)
    unknown = planner(40, model=None, registered=False)
    narrow = planner(6, model=None, registered=False)

    assert unknown.tuning(path, facts).context == 32_768
    assert narrow.tuning(path, facts).context == 8192
    with pytest.raises(QcodeError, match=r"needs 9\.7 GB of memory with 16384 tokens"):
        planner(1, model=None, registered=False).tuning(path, facts)


OPTIONS = frozenset(
    {"--cache-ram", "--cache-reuse", "--n-cpu-moe", "--repeat-penalty", "--reasoning-format"}
)
SERVING = Serving(Path("/m.gguf"), "m", 8123, 16_384, 2, None)


def test_a_fitted_model_is_served_by_its_tuning(tmp_path: Path) -> None:
    tuned = Tuning(
        *(65_536, "q8_0", 512, 256, ("-ngl", "99", "--n-cpu-moe", "4"), 8, True),
        Sampling(temperature=0.7, repetition_penalty=1.05),
    )
    serving = Serving(Path("/m.gguf"), "m", 8123, 65_536, 2, None, tuned=tuned)
    engine = Program(Path("/s"), OPTIONS | {"--device"}, own=True)
    start = ["/s", "-m", "/m.gguf", "--alias", "m", "--host", "127.0.0.1", "--port", "8123"]

    assert command(engine, serving, tmp_path) == [
        *start,
        *("-c", "65536", "--parallel", "1", "--jinja", "--reasoning-format", "auto"),
        *("-ngl", "99", "--n-cpu-moe", "4", "-t", "8", "-ctk", "q8_0", "-ctv", "q8_0"),
        *("--cache-ram", "512", "--cache-reuse", "256", "--temp", "0.7"),
        *("--repeat-penalty", "1.05"),
    ]


def test_an_old_server_is_told_less_of_it(tmp_path: Path) -> None:
    tuned = Tuning(4096, gpu=("-ngl", "99", "--n-cpu-moe", "4"), cache_mib=9, reuse_tokens=256)
    serving = Serving(Path("/m.gguf"), "m", 8123, 4096, 2, None, tuned=tuned)
    engine = Program(Path("/s"), frozenset(), own=False)

    assert command(engine, serving, tmp_path)[9:] == [
        *("-c", "4096", "--parallel", "1", "--jinja", "-ngl", "99"),
    ]


@pytest.fixture
def content(make_gguf: Callable[..., Path]) -> bytes:
    return make_gguf(llama_block_count=2).read_bytes()


def registry(content: bytes, **changes: object) -> Registry:
    """A registry of one model that has so many parameters that each file is at 4.8 bits."""
    billions = len(content) / 1e9 * 8 / 4.8
    weights = Weights("o/tiny", billions, billions, 1000, "owner/name")
    model = replace(
        Model("tiny-coder", context_window=65_536, sampling=Sampling(0.6), weights=weights),
        **changes,
    )
    models = {model.id: model}
    return Registry(models.get, models.values)


def test_up_takes_a_name_of_the_registry(
    content: bytes,
    start: Callable[[Hub], Hub],
    fake_server: Callable[..., FakeServer],
    watcher: Watcher,
) -> None:
    fake = fake_server()
    hub = start(Hub({"m-BF16.gguf": content * 4, "m-Q4_K_M.gguf": content}))
    models = registry(content)

    running = local.up("tiny-coder", progress=watcher, registry=models)
    again = local.up("tiny-coder", progress=watcher, registry=models)

    assert again == running
    assert len(hub.asked) == len(fake.starts) == 1
    line = fake.starts[0]
    assert line[1] == str(data_dir() / "models/owner/name/m-Q4_K_M.gguf")
    # What the file says it was trained for bounds what there would be memory for.
    assert line[line.index("-c") + 1] == "4096"
    assert line[line.index("--temp") + 1] == "0.6"
    assert running.context_window == 4096


CARD = "CUDA0: NVIDIA GeForce RTX 4090 (24080 MiB, 23500 MiB free)"


@pytest.mark.parametrize("devices, seen", [(CARD, True), ("(none)", False), ("", False)])
def test_a_card_is_used_if_the_server_sees_one(
    devices: str,
    seen: bool,
    content: bytes,
    start: Callable[[Hub], Hub],
    fake_server: Callable[..., FakeServer],
    watcher: Watcher,
) -> None:
    fake = fake_server(devices=devices)
    driver = fake.path.with_name("nvidia-smi")
    driver.write_text("#!/bin/sh\necho 'NVIDIA GeForce RTX 4090, 24564, 24000'\n")
    driver.chmod(0o755)
    start(Hub({"m-Q4_K_M.gguf": content}))

    local.up("tiny-coder", progress=watcher, registry=registry(content))

    assert ("-ngl" in fake.starts[0]) == seen
    assert ("-t" in fake.starts[0]) != seen


def test_up_refuses_what_does_not_fit_before_it_fetches(
    content: bytes,
    start: Callable[[Hub], Hub],
    fake_server: Callable[..., FakeServer],
    watcher: Watcher,
) -> None:
    fake_server()
    sizes = {"m-Q4_K_M.gguf": 10**15}
    hub = start(Hub({"m-Q4_K_M.gguf": content}, sizes=sizes))

    with pytest.raises(QcodeError, match=r"needs 100\d{4}\.\d GB of memory") as failure:
        local.up("tiny-coder", progress=watcher, registry=registry(content))
    with pytest.raises(QcodeError, match="of memory"):
        local.up("owner/name:Q4_K_M", progress=watcher, registry=registry(content))

    assert hub.asked == []
    assert "\n" not in str(failure.value)
    assert local.status() is None


def test_up_serves_a_repository_with_what_is_known_of_the_model(
    content: bytes,
    start: Callable[[Hub], Hub],
    fake_server: Callable[..., FakeServer],
    watcher: Watcher,
) -> None:
    fake = fake_server()
    parts = [f"m-Q4_K_M-0000{n}-of-00002.gguf" for n in (1, 2)]
    start(Hub({parts[0]: content, parts[1]: b"rest"}))

    running = local.up(
        "owner/name:Q4_K_M", context=2048, progress=watcher, registry=registry(content)
    )

    line = fake.starts[0]
    assert Path(line[1]).name == parts[0]
    assert line[line.index("-c") + 1] == "2048"
    assert "--temp" not in line  # no name of the registry
    assert running.model == "m"
