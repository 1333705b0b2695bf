"""A real model behind the real server that qcode fetches, where both are there already."""

from __future__ import annotations

import json
import os
import pwd
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_doubles import Watcher

from qcode import local
from qcode.local.catalog import MODELS, WHEEL
from qcode.local.service import Registry
from qcode.models.hardware import this_machine
from qcode.models.model import Model, Sampling, Weights
from qcode.paths import data_dir

REPOSITORY = "Qwen/Qwen2.5-Coder-GGUF"


@pytest.fixture
def billions() -> Iterator[float]:
    """Put what was fetched for whoever runs the tests where qcode looks in them, by links."""
    kept = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local/share/qcode"
    fetched = [
        (key, kept / "models" / model.file)
        for key, model in MODELS.items()
        if (kept / "models" / model.file).is_file()
    ]
    servers = list((kept / "servers").glob(f"{WHEEL.name}-{WHEEL.version}/.sha256"))
    free = this_machine().free_bytes
    if not fetched or not servers or (free is not None and free < 5e9):
        pytest.skip("neither model nor server were fetched, or there is no memory for them")
    key, file = fetched[0]
    folder = data_dir() / "models" / REPOSITORY
    folder.mkdir(parents=True)
    (folder / file.name).symlink_to(file)
    (data_dir() / "servers").symlink_to(kept / "servers")
    yield float(key.removesuffix("b"))
    local.down()


@pytest.mark.slow
def test_a_real_model_is_served_as_it_was_fitted(
    billions: float, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no other server
    weights = Weights("Qwen/Qwen2.5-Coder", billions, billions, None, REPOSITORY)
    model = Model("coder", context_window=32_768, sampling=Sampling(0.7, 0.8, 20), weights=weights)

    running = local.up(
        "coder", context=2048, progress=watcher, registry=Registry({"coder": model}.get, tuple)
    )

    with urllib.request.urlopen(f"{running.base_url.removesuffix('/v1')}/props") as answer:
        settings = json.load(answer)["default_generation_settings"]
    assert running.context_window == settings["n_ctx"] == 2048
    sampling = settings["params"]
    assert [round(sampling[name], 2) for name in ("temperature", "top_p", "top_k")] == [
        *(0.7, 0.8, 20)
    ]
