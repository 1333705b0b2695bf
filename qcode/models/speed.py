"""How many tokens a second to expect. An estimate: what has to be read from memory for one
token, by how fast that memory is read. Prompts are read faster than answers are written, as many
tokens share one reading of the weights."""

from __future__ import annotations

import re

from qcode.local.devices import Gpu
from qcode.models.hardware import Hardware
from qcode.record import Record

GPU_EFFICIENCY = 0.6
"""Of what a data sheet promises, this much is reached; published runs of llama.cpp and vLLM with
one request at a time lie between 0.5 and 0.8."""
FILLED_TOKENS = 8192
"""Of context at which the speed is told: it is read for each token, too."""
_CORE_GB_S = 10.0
_RAM_GB_S = 50.0
"""What one core reads in a second, and what all of them do at most: measured with Qwen2.5-Coder
1.5B on two cores (17 tokens a second, 1.1 GB each); two channels of DDR4-3200 give 51 GB/s."""
_UNKNOWN_GPU_GB_S = 300.0
_EACH_TOKEN_S = 0.002
"""What a token takes besides: starting kernels, sampling. Without it the smallest models would
be told to write thousands of tokens a second, which none does for one request."""

_BANDWIDTH: tuple[tuple[str, float], ...] = (
    (r"B200|B300", 8000),
    (r"H200", 4800),
    (r"GH200", 4000),
    (r"H100 PCIe", 2000),
    (r"H100 NVL", 3900),
    (r"H100", 3350),
    (r"H20\b", 4000),
    (r"A100.*80GB", 2039),
    (r"A100", 1555),
    (r"A10G", 600),
    (r"A10\b", 600),
    (r"L40S|L40\b", 864),
    (r"L4\b", 300),
    (r"T4\b", 320),
    (r"V100", 900),
    (r"P40\b", 347),
    (r"GB10", 273),
    (r"RTX PRO 6000", 1792),
    (r"RTX 6000 Ada", 960),
    (r"A6000", 768),
    (r"A5000", 768),
    (r"A4000", 448),
    (r"5090", 1792),
    (r"5080", 960),
    (r"5070 Ti", 896),
    (r"5070", 672),
    (r"5060", 448),
    (r"4090", 1008),
    (r"4080", 717),
    (r"4070 Ti SUPER", 672),
    (r"4070", 504),
    (r"4060", 272),
    (r"3090", 936),
    (r"3080", 760),
    (r"3070", 448),
    (r"3060", 360),
    (r"2080 Ti", 616),
    (r"MI300X|MI308X", 5300),
    (r"MI325X", 6000),
    (r"MI35[05]X", 8000),
    (r"MI250", 3277),
    (r"7900 XTX", 960),
    (r"7900 XT\b", 800),
    (r"9070", 640),
    (r"M[12] Ultra", 800),
    (r"M3 Ultra", 819),
    (r"M[12] Max", 400),
    (r"M3 Max", 300),
    (r"M4 Max", 410),
    (r"M5 Max", 460),
    (r"M[12] Pro", 200),
    (r"M3 Pro", 150),
    (r"M4 Pro", 273),
    (r"M5\b", 153),
    (r"M4\b", 120),
    (r"M[23]\b", 100),
    (r"M1\b", 68),
)
"""GB/s as the vendors' data sheets have it; of chips that come with several, the least."""


class Speed(Record):
    """Bandwidths, in GB/s."""

    gpu: float
    """All graphics processors take turns, so that it is that of one; 0: there is none."""
    ram: float
    is_assumed: bool
    """Whether the graphics processor is not known, and an ordinary one was assumed."""


def speed_of(hardware: Hardware) -> Speed:
    """Return how fast the memories are read."""
    ram = min(_RAM_GB_S, _CORE_GB_S * max(1, hardware.cores))
    known = [bandwidth(gpu) for gpu in hardware.gpus]
    least = min((each or _UNKNOWN_GPU_GB_S for each in known), default=0.0)
    return Speed(least * GPU_EFFICIENCY, ram, is_assumed=None in known)


def bandwidth(gpu: Gpu) -> float | None:
    """Return the GB/s of a graphics processor's memory; None: it is not known."""
    return next((each for pattern, each in _BANDWIDTH if re.search(pattern, gpu.name)), None)


def tokens_per_second(gpu_gb: float, ram_gb: float, speed: Speed) -> float | None:
    """Return the tokens a second where each of them reads that much; None: nothing is known."""
    if gpu_gb and not speed.gpu:
        return None
    seconds = ram_gb / speed.ram + (gpu_gb / speed.gpu if gpu_gb else 0.0)
    return 1 / (seconds + _EACH_TOKEN_S)
