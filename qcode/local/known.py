"""Models of the registry and of repositories, judged before anything is fetched: which
quantisation fits into this machine's memory, with how much context, and what to say if none does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qcode.errors import QcodeError, UsageError
from qcode.local import gguf
from qcode.local.huggingface import Wanted
from qcode.local.offers import Offer, choose, quantised
from qcode.models import fitting
from qcode.models.fitting import Fit, Room
from qcode.models.hardware import Hardware
from qcode.models.model import Model, Weights
from qcode.models.traits import traits
from qcode.models.tuning import Tuning, tuning
from qcode.record import replace

Find = Callable[[str], Model | None]
_WITH_CHOICE = re.compile(
    r"(?P<name>[^:]+):(?P<choice>(?:UD-)?(?:I?Q|TQ|MXFP|BF|F)\d\w*|[^:]+\.gguf)", re.IGNORECASE
)
_CONTEXTS = (8192, 4096)
"""Tokens, of a model whose cache turned out to be larger than was known; better than nothing."""


@dataclass(frozen=True, slots=True)
class Known:
    """A model by a name of the registry."""

    model: Model
    wanted: Wanted


def known(source: str, find: Find) -> Known | None:
    """Return the model that `NAME` or `NAME:QUANT` means; None: the registry has none of that name.

    Raises:
        UsageError: there are no files of it that llama.cpp's server reads.
    """
    if "/" in source or (source.lower().endswith(".gguf") and ":" not in source):
        return None
    match = _WITH_CHOICE.fullmatch(source)
    model = find(match["name"] if match else source)
    if model is None:
        return None
    if model.weights is None:
        raise UsageError(
            f"the weights of `{model.id}` are not published",
            hint="it is served by others: `qcode -m PROVIDER/MODEL`",
        )
    if not model.weights.gguf:
        raise UsageError(
            f"no GGUF files of `{model.id}` are known",
            hint="give a repository that has them, as OWNER/NAME:QUANT",
        )
    return Known(model, Wanted(model.weights.gguf, match["choice"] if match else None))


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the files of a repository are kept."""

    folder: Path
    free: int
    """Bytes."""

    def missing(self, offer: Offer) -> int:
        """Return the bytes of it that are not here yet."""
        here = 0
        for name in offer.files:
            for path in (self.folder / name, self.folder / f"{name}.partial"):
                if path.is_file():
                    here += path.stat().st_size
        return max(0, (offer.size or 0) - here)

    def holds(self, offer: Offer) -> bool:
        """Whether there is room for what is missing."""
        return offer.is_here or self.missing(offer) <= self.free


class Planner:
    """Decides for one model on one machine."""

    def __init__(
        self,
        source: str,
        model: Model | None,
        hardware: Hardware,
        *,
        is_registered: bool,
        context: int | None,
        returned_bytes: int = 0,
        disk: Disk | None = None,
        others: Callable[[], Iterable[Model]] = tuple,
        note: Callable[[str], None] | None = None,
    ) -> None:
        """`model` is what is known of it, `is_registered` whether it was asked for by its name.

        `context` is what somebody insists on, `returned_bytes` what is free once the server that
        runs now is stopped, `disk` where files are kept, `others` what could be offered instead.
        `note` is told what was decided.
        """
        self._source = source.partition(":")[0]
        self._model = model
        self._hardware = hardware
        self._room = fitting.room(hardware, now=True, returned_bytes=returned_bytes)
        self._is_registered = is_registered
        self._context = context
        self._disk = disk
        self._others = others
        self._note = note

    def select(self, offered: Sequence[Offer], choice: str | None) -> Offer | None:
        """Return the model to take; see `huggingface.Select`.

        A name of the registry gets the best that fits. Of a repository that somebody named, it is
        what they said; whether it fits is looked at all the same.

        Raises:
            QcodeError: what is to be taken does not fit into the memory, or not onto the disk.
        """
        if self._is_registered and choice is None:
            if best := self._best(offered):
                return best
            if all(each.is_here for each in offered):
                return None  # the repository may have something smaller
            smallest = min(
                (one for one in quantised(offered).values() if one.size),
                key=lambda one: one.size or 0,
                default=None,
            )
            if smallest is not None:
                raise self._refusal(smallest, offered)
        chosen = choose(offered, choice)
        if chosen is not None and chosen.size is not None and not self._has_room(chosen):
            raise self._refusal(chosen, offered)
        if chosen is not None and self._disk and not self._disk.holds(chosen):
            raise self._no_space(self._disk, chosen, offered)
        return chosen

    def _best(self, offered: Sequence[Offer]) -> Offer | None:
        """Return the best that fits into the memory, if there is one that the disk can hold."""
        by_name = quantised(offered)
        measured = {name: one.size for name, one in by_name.items() if one.size}
        disk = self._disk
        stored = {
            name: size for name, size in measured.items() if not disk or disk.holds(by_name[name])
        }
        found = self._fit(stored)
        if found is None:
            wanted = self._fit(measured)
            if wanted is not None and disk:
                raise self._no_space(disk, by_name[wanted.quantisation], offered)
            return None
        one = by_name[found.quantisation]
        if self._note:
            why = "which is here" if one.is_here else "the best that fits"
            self._note(f"taking {found.quantisation} ({found.weights_gb:.1f} GB), {why}")
        return one

    def tuning(self, path: Path, facts: gguf.Gguf) -> Tuning:
        """Return how to serve the model whose files are there now.

        Raises:
            QcodeError: its cache is larger than was known, so that it does not fit after all.
        """
        offer = Offer((path.name,), gguf.size(path))
        model = self._as_model(offer, facts)
        window = facts.trained_window or model.context_window
        for context in (self._context, *(() if self._context else _CONTEXTS)):
            found = self._placed(self._weights(model), window, context)
            if found is not None:
                return tuning(
                    model,
                    traits(model),
                    self._hardware,
                    found,
                    layers=facts.layers,
                    space=self._room,
                )
        raise self._refusal(offer, (offer,), facts)

    def _as_model(self, offer: Offer, facts: gguf.Gguf | None = None) -> Model:
        """Return what is known, with the size that the files really have."""
        size = (offer.size or 0) / 1e9
        label = offer.quantisation or "file"
        model = self._model or Model(gguf.model_id(offer.name))
        weights = model.weights
        if weights is None or weights.total_b <= 0:
            # Only its size is known: that of a dense model at the bits of its name.
            billions = (
                size * 8 / fitting.BITS.get(label.removeprefix("UD-"), fitting.BITS["Q4_K_M"])
            )
            weights = Weights("", billions, billions)
        cache = weights.kv_bytes_per_token or (facts.cache_bytes if facts else None)
        return replace(
            model,
            weights=replace(weights, quantisations={label: size}, kv_bytes_per_token=cache),
        )

    def _weights(self, model: Model) -> Weights:
        assert model.weights is not None
        return model.weights

    def _fit(self, measured: dict[str, int]) -> Fit | None:
        if not measured or self._model is None or self._model.weights is None:
            return None
        if self._model.weights.total_b <= 0:
            return None
        sizes = {name: size / 1e9 for name, size in measured.items()}
        weights = replace(self._model.weights, quantisations=sizes)
        return fitting.fit(weights, self._model.context_window, self._room, context=self._context)

    def _has_room(self, offer: Offer) -> bool:
        model = self._as_model(offer)
        weights = self._weights(model)
        if weights.kv_bytes_per_token is None:
            # What the cache takes is in the file, and that is not here yet.
            weights = replace(weights, kv_bytes_per_token=0)
        context = self._context or fitting.LEAST
        return self._placed(weights, model.context_window, context) is not None

    def _placed(self, weights: Weights, window: int | None, context: int | None) -> Fit | None:
        """Fit the one quantisation that was decided on, however many bits it has."""
        (only,) = weights.quantisations
        return fitting.fit(weights, window, self._room, context=context, only=only)

    def _refusal(
        self, offer: Offer, offered: Sequence[Offer], facts: gguf.Gguf | None = None
    ) -> QcodeError:
        """Say what is needed, what is there and what would fit instead, in one line."""
        model = self._as_model(offer, facts)
        weights = self._weights(model)
        least = fitting.least(weights, model.context_window, self._context)
        return QcodeError(
            f"`{self._named(offer)}` needs {least.needed_gb:.1f} GB of memory with "
            f"{least.context} tokens of context, and {available(self._room)}",
            hint=self._instead(offer, offered),
        )

    def _no_space(self, disk: Disk, offer: Offer, offered: Sequence[Offer]) -> QcodeError:
        """Say the same of the disk."""
        smaller = self._smaller(offer, offered)
        return QcodeError(
            f"`{self._named(offer)}` needs {disk.missing(offer) / 1e9:.1f} GB on the disk, and "
            f"{disk.free / 1e9:.1f} GB are free in `{disk.folder}`",
            hint=smaller or "free some, or set XDG_DATA_HOME to a folder on a larger disk",
        )

    def _named(self, offer: Offer) -> str:
        return self._source + (f":{offer.quantisation}" if offer.quantisation else "")

    def _smaller(self, offer: Offer, offered: Sequence[Offer]) -> str:
        """Name the largest smaller quantisation that fits; empty: there is none."""
        fitting_ones = [
            one
            for one in quantised(offered).values()
            if one.size
            and one.size < (offer.size or 0)
            and self._has_room(one)
            and (not self._disk or self._disk.holds(one))
        ]
        best = max(fitting_ones, key=lambda one: one.size or 0, default=None)
        return f"`{self._named(best)}` fits" if best else ""

    def _instead(self, offer: Offer, offered: Sequence[Offer]) -> str:
        if smaller := self._smaller(offer, offered):
            return smaller
        if self._context and self._context > fitting.LEAST:
            return f"try a smaller --context, such as {fitting.LEAST}"
        if other := self._other():
            return f"`qcode local up {other.id}` fits"
        return "`qcode local up 1.5b` is small; `qcode local down` or closing programs frees memory"

    def _other(self) -> Model | None:
        """Return the largest model of the registry that fits."""
        candidates = [
            model
            for model in self._others()
            if model.weights
            and model.weights.gguf
            and fitting.fit(model.weights, model.context_window, self._room) is not None
        ]
        return max(candidates, key=lambda model: self._weights(model).total_b, default=None)


def available(space: Room) -> str:
    """Return what is there, as people read it."""
    if space.is_unified:
        return f"{space.vram:.1f} GB can be used"
    ram = f"{space.ram:.1f} GB of RAM can be used"
    return f"{space.vram:.1f} GB of VRAM and {ram}" if space.vram else ram
