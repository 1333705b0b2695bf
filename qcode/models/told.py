"""Recipes as people and programs read them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from qcode.models.hardware import Hardware
from qcode.models.recipe import Command, Recipe

_WIDTH = 96


def tell(recipes: Sequence[Recipe], hardware: Hardware) -> str:
    """Return the recipes as text; those that fit with their commands, the others in a line."""
    blocks = [f"this machine: {describe(hardware)}"]
    if not recipes:
        return f"{blocks[0]}\nits weights are not published: it cannot be run here"
    blocks += [_block(recipe) for recipe in recipes if recipe.fits]
    others = [_head(recipe) for recipe in recipes if not recipe.fits]
    if others:
        blocks.append("\n".join(others))
    return "\n\n".join(blocks)


def describe(hardware: Hardware) -> str:
    """Return what a machine has, in one line."""
    cores = f"{hardware.cores} core" + ("s" if hardware.cores != 1 else "")
    memory = f"{hardware.ram_bytes / 1e9:.1f} GB of RAM"
    if hardware.free_bytes is not None:
        memory += f" ({hardware.free_bytes / 1e9:.1f} free)"
    cards = [f"{gpu.name} with {gpu.vram_bytes / 1e9:.1f} GB" for gpu in hardware.gpus]
    return ", ".join([cores, memory, *(cards or ["no GPU found"])])


def _head(recipe: Recipe) -> str:
    return "\n".join(_wrapped(f"{recipe.server}: {recipe.why}", first=""))


def _block(recipe: Recipe) -> str:
    rows = [_head(recipe)]
    if recipe.tokens_per_second:
        rows.append(f"  about {_round(recipe.tokens_per_second)} tokens a second (an estimate)")
    rows += [textwrap.indent(command.lines(_WIDTH), "    ") for command in recipe.commands]
    if recipe.use:
        rows.append(f"  then: {recipe.use.line()}")
    if recipe.install:
        rows += _wrapped(f"install: {recipe.install}")
    for note in recipe.notes:
        rows += _wrapped(note)
    return "\n".join(rows)


def _wrapped(text: str, first: str = "  ") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _round(speed: float) -> str:
    """No more digits than an estimate has."""
    return f"{speed:.1f}" if speed < 3 else f"{float(f'{speed:.2g}'):.0f}"


def to_json(recipes: Sequence[Recipe], hardware: Hardware) -> dict[str, Any]:
    """Return the recipes for programs; sizes in GB, speeds in tokens a second (estimates)."""
    return {
        "hardware": {
            "platform": hardware.platform,
            "ram_bytes": hardware.ram_bytes,
            "free_bytes": hardware.free_bytes,
            "cores": hardware.cores,
            "gpus": [
                {"kind": gpu.kind, "name": gpu.name, "vram_bytes": gpu.vram_bytes}
                for gpu in hardware.gpus
            ],
        },
        "recipes": [_fields(recipe) for recipe in recipes],
    }


def _fields(recipe: Recipe) -> dict[str, Any]:
    return {
        "server": recipe.server,
        "fits": recipe.fits,
        "why": recipe.why,
        "quantisation": recipe.quantisation or None,
        "context": recipe.context,
        "weights_gb": _two(recipe.weights_gb),
        "cache_gb": _two(recipe.cache_gb),
        "needed_gb": _two(recipe.needed_gb),
        "tokens_per_second": _two(recipe.tokens_per_second),
        "commands": [_command(command) for command in recipe.commands],
        "use": _command(recipe.use) if recipe.use else None,
        "install": recipe.install or None,
        "notes": list(recipe.notes),
    }


def _command(command: Command) -> dict[str, Any]:
    return {"argv": list(command.argv), "environment": dict(command.environment)}


def _two(number: float | None) -> float | None:
    return None if number is None else round(number, 2)
