"""Run llama.cpp's HTTP server out of an unpacked `xllamacpp` wheel.

Started as a script in a Python of its own, never imported by qcode: the argument is a
JSON file of settings, written by `engine.command`. It runs until it gets a signal.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any


def main(settings_file: str) -> None:
    """Serve until killed; a traceback in the log is for whoever reads it after a failed start."""
    settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    sys.path.insert(0, settings["library"])
    xllamacpp: Any = __import__("xllamacpp")

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["alias"]}
    params.hostnames = [settings["host"]]
    params.port = settings["port"]
    params.n_ctx = settings["context"]
    params.n_parallel = 1
    params.cpuparams.n_threads = settings["threads"]
    params.n_batch = params.n_ubatch = settings["batch"]
    params.cache_ram_mib = settings["cache_mib"]
    kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{settings['cache_type'].upper()}")
    params.cache_type_k = params.cache_type_v = kind
    params.n_cache_reuse = settings["reuse"]
    params.slot_save_path = settings["slots"]
    for name, value in settings["sampling"].items():
        setattr(params.sampling, name, value)
    params.use_jinja = True
    if settings["template"]:
        params.chat_template = Path(settings["template"]).read_text(encoding="utf-8")
    # The page that a browser shows may not use the model behind the person's back.
    params.cors_origins = f"http://{settings['host']}:{settings['port']}"
    params.ui = False

    server = xllamacpp.Server(params)  # serves from a thread of its own
    while server:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
