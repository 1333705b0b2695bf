"""What a repository of GGUF files offers: models in one file or several, by quantisation; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PREFERRED = "Q4_K_M"
"""llama.cpp's own default: close to the full model at a quarter of its size."""
_SPLIT = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_QUANTISATION = re.compile(
    r"(?:^|[-._/])(?P<name>(?:UD-)?(?:(?:I?Q|TQ)\d[a-z0-9_]*|MXFP4(?:_MOE)?)|B?F16|F32)(?=[-._/]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One model, whole."""

    files: tuple[str, ...]
    """Paths in the repository, in order; a server is given the first."""
    size: int | None
    """Bytes of all files; None: the listing does not tell."""
    is_here: bool = False
    """Whether the files are on this machine's disk already."""

    @property
    def name(self) -> str:
        """The first file."""
        return self.files[0]

    @property
    def quantisation(self) -> str:
        """As names have it, in upper case; empty: the name does not tell."""
        found = [match["name"].upper() for match in _QUANTISATION.finditer(self.name)]
        return found[-1] if found else ""


def offers(listing: Mapping[str, int | None], *, is_here: bool = False) -> tuple[Offer, ...]:
    """Return what a listing of paths and sizes has; what lacks a part is not there."""
    out = []
    for name in sorted(listing):
        files = parts(name)
        if files[0] == name and all(file in listing for file in files):
            sizes = [listing[file] for file in files]
            known = [size for size in sizes if size is not None]
            out.append(Offer(files, sum(known) if len(known) == len(sizes) else None, is_here))
    # Those in one piece first: they are the same and simpler to have.
    return tuple(sorted(out, key=lambda offer: (len(offer.files) > 1, offer.name)))


def parts(name: str) -> tuple[str, ...]:
    """Return the names of all files of a model by that of one of them, the first one first."""
    match = _SPLIT.search(name)
    if match is None:
        return (name,)
    count, before, ending = int(match["count"]), name[: match.start()], name[-len(".gguf") :]
    return tuple(f"{before}-{n:05}-of-{count:05}{ending}" for n in range(1, count + 1))


def without_part(name: str) -> str:
    """Return the name that a file would have if it were not one of several."""
    return _SPLIT.sub(".gguf", name)


def choose(offered: Iterable[Offer], choice: str | None) -> Offer | None:
    """Find one by a file's name or by quantisation; with neither, the preferred or the only one."""
    offered = tuple(offered)
    if choice is not None and choice.lower().endswith(".gguf"):
        wanted = choice.lower()
        return next(
            (one for one in offered if wanted in {file.lower() for file in one.files}), None
        )
    pattern = re.compile(
        rf"(^|[-._/]){re.escape(choice or PREFERRED)}(?=[-._/])",
        re.IGNORECASE,
    )
    fitting = [one for one in offered if pattern.search(one.name)]
    if fitting:
        return fitting[0]
    return offered[0] if choice is None and len(offered) == 1 else None


def quantised(offered: Sequence[Offer]) -> dict[str, Offer]:
    """Return the offers by quantisation, without those at 16 or more bits."""
    out: dict[str, Offer] = {}
    for one in offered:
        if one.quantisation and not one.quantisation.endswith(("F16", "F32")):
            out.setdefault(one.quantisation, one)
    return out
