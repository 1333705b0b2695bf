"""`qcode models`: the models that qcode knows, what they cost and where their figures are from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from qcode.cli.process import require_stdout
from qcode.errors import UsageError
from qcode.models import every, find
from qcode.record import Record
from qcode.ui.printable import printable, safe_json

if TYPE_CHECKING:
    from qcode.models import Model, Prices
    from qcode.models.renewing import Difference


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("words", metavar="WORD", nargs="*",
        help="those in whose names all words stand; or `show NAME`, `check`")  # fmt: skip
    add("--local", action="store_true", help="those whose weights one can run by oneself")
    add("--max-price", metavar="USD", type=_price,
        help="those that cost no more for a million tokens written")  # fmt: skip
    add("--json", action="store_true", help="all that is known of them, as JSON")
    add("--debug", action="store_true", help="tracebacks on stderr")
    parser.description = (
        "List the models that qcode knows: window in tokens, prices in US dollars for a million\n"
        "tokens read, written and read again from a cache, how they write tool calls.\n"
        "  qcode models show NAME   all that is known of one, with the sources; any name that a\n"
        "                           server gives it will do\n"
        "  qcode models check       hold the prices against the installed litellm's table\n"
        "Your own models and figures: ~/.config/qcode/models.toml."
    )


def main(args: argparse.Namespace) -> int:
    """Print what is asked; return the exit code."""
    require_stdout("the models")
    match args.words:
        case ["check"]:
            return _check(as_json=args.json)
        case ["show", name]:
            return _show(name, as_json=args.json)
        case ["show", *_]:
            raise UsageError("`qcode models show` takes the name of one model")
        case words:
            return _list(chosen(every().values(), words, args.max_price, local=args.local), args)


def chosen(
    models: Iterable[Model], words: Iterable[str], max_price: float | None, *, local: bool
) -> list[Model]:
    """Return the models that are asked for, in order."""
    wanted = [word.lower() for word in words]
    return [
        model
        for model in models
        if all(word in f"{model.id} {model.name} {model.vendor}".lower() for word in wanted)
        and (model.runs_locally or not local)
        and (max_price is None or (model.prices is not None and model.prices.output <= max_price))
    ]


def to_json(record: Record) -> dict[str, Any]:
    """Return a record for JSON, all of its fields."""
    fields: tuple[str, ...] = type(record).__match_args__
    return {field: _plain(getattr(record, field)) for field in fields}


def table(models: Iterable[Model]) -> str:
    """Return the models as a table."""
    rows: list[tuple[str, ...]] = [
        ("model", "window", "in", "out", "cached", "calls", "local"),
    ]
    rows += [_row(model) for model in models]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    right = range(1, 5)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def told(model: Model) -> str:
    """Return all that is known of a model, with where that is from."""
    about = [f"{model.name or model.id} ({model.id}), {model.vendor or 'vendor not known'}"]
    facts = [
        ("window", _tokens(model.context_window), "context_window"),
        ("one answer", _tokens(model.max_output), "max_output"),
        ("prices", _prices(model.prices), "prices"),
        ("tool calls", f"{model.call_format}, told of tools by `{model.protocol}`", "call_format"),
        ("reasoning", _reasoning(model), "reasoning"),
        ("sampling", _sampling(model), "sampling"),
        ("pictures", "yes" if model.sees_images else "no", "sees_images"),
        ("prompts", model.tier, "tier"),
        ("weights", _weights(model), "weights"),
    ]
    sources = dict(model.sources)
    if model.prices is not None and model.prices.source:
        when = f", {model.prices.date}" if model.prices.date else ""
        sources.setdefault("prices", f"{model.prices.source}{when}")
    if model.sampling.source:
        sources.setdefault("sampling", model.sampling.source)
    for label, text, field in facts:
        about.append(f"  {label:<11}{text}")
        about += [
            f"  {'':<11}  {_label(name, field)}{source}"
            for name, source in sources.items()
            if name == field or name.startswith(f"{field}.")
        ]
    if model.places:
        about.append("  served by (US dollars for a million tokens read, written, read again)")
        width = max(len(place.name) for place in model.places)
        about += [f"    {place.name:<{width}}  {_three(place.prices)}" for place in model.places]
    if names := ", ".join(model.aliases):
        about.append(f"  {'also':<11}{names}")
    if model.base_url:
        about.append(f"  {'at':<11}{model.base_url}")
    return "\n".join(about)


def _list(models: list[Model], args: argparse.Namespace) -> int:
    if args.json:
        print(safe_json(json.dumps([to_json(model) for model in models], ensure_ascii=False)))
    elif models:
        print(printable(table(models)))
    else:
        raise UsageError("no model that qcode knows is like that", hint="`qcode models` lists all")
    return 0


def _show(name: str, *, as_json: bool) -> int:
    model = find(name, in_table=True)
    if model is None:
        import difflib

        near = difflib.get_close_matches(name.lower(), every(), n=3)
        likely = f"did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else ""
        raise UsageError(
            f"nothing is known of the model `{name}`",
            hint=likely
            or "`qcode models` lists those that are known; a table in "
            "~/.config/qcode/models.toml adds one",
        )
    from qcode.models import told as telling
    from qcode.models.hardware import this_machine
    from qcode.models.serving import recipes

    hardware = this_machine()
    found = recipes(model, hardware)
    if as_json:
        whole = {**to_json(model), "serving": telling.to_json(found, hardware)}
        print(safe_json(json.dumps(whole, ensure_ascii=False, indent=2)))
    else:
        text = f"\n\n{telling.tell(found, hardware)}" if model.weights else ""
        print(printable(told(model) + text))
    return 0


def _check(*, as_json: bool) -> int:
    from qcode.models import renewing, table
    from qcode.models.reading import rows

    known = table.rows()
    if not known:
        raise UsageError("litellm is not installed, so that there is nothing to compare with")
    found = list(renewing.differences(list(rows().values()), known))
    if as_json:
        print(json.dumps([to_json(one) for one in found], ensure_ascii=False))
    else:
        for one in found:
            print(printable(_difference(one)))
        print(f"{len(rows())} models held against litellm {table.version()}: {_count(found)}")
    return 1 if found else 0


def _difference(one: Difference) -> str:
    where = f" at {one.place}" if one.place else ""
    here, there = _dollars(one.registered), _dollars(one.found)
    return f"{one.model}: {one.field}{where} is {here} here, {there} there"


def _count(found: list[Difference]) -> str:
    return f"{len(found)} prices differ" if found else "no price differs by more than 1 %"


def _price(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no price in US dollars")
    return value


def _row(model: Model) -> tuple[str, ...]:
    prices = model.prices
    costs = (
        (None, None, None) if prices is None else (prices.input, prices.output, prices.cache_read)
    )
    return (
        model.id,
        f"{model.context_window:,}" if model.context_window else "",
        *("" if cost is None else _dollars(cost) for cost in costs),
        model.call_format,
        _size(model),
    )


def _size(model: Model) -> str:
    """Return what of a model runs by oneself: the smallest published size, or its parameters."""
    if model.weights is None:
        return ""
    sizes = model.weights.quantisations
    if sizes:
        name, size = min(sizes.items(), key=lambda one: one[1])
        return f"{size:g} GB {name}"
    return f"{model.weights.total_b:g}B"


def _tokens(count: int | None) -> str:
    return f"{count:,} tokens" if count else "not known"


def _dollars(cost: float | None) -> str:
    return "nothing" if cost is None else f"{cost:g}" if cost < 0.01 else f"{cost:.4g}"


def _prices(prices: Prices | None) -> str:
    if prices is None:
        return "none is known"
    words = [f"${_dollars(prices.input)} read", f"${_dollars(prices.output)} written"]
    if prices.cache_read is not None:
        words.append(f"${_dollars(prices.cache_read)} read again")
    if prices.cache_write is not None:
        words.append(f"${_dollars(prices.cache_write)} kept")
    return f"{', '.join(words)}, a million tokens"


def _three(prices: Prices) -> str:
    each = [prices.input, prices.output]
    each += [prices.cache_read] if prices.cache_read is not None else []
    return "  ".join(f"{_dollars(cost):>7}" for cost in each)


def _reasoning(model: Model) -> str:
    reasoning = model.reasoning
    if reasoning.style == "none":
        return "no"
    where = {"tags": "between tags", "field": "in a field of its own"}[reasoning.style]
    back = {"never": "nothing", "turn": "that of the turn under way", "always": "all"}
    shown = f"{back[reasoning.render_back]} of it is shown to the model again"
    return f"{where}; {shown}; {'can' if reasoning.can_be_off else 'cannot'} be turned off"


def _sampling(model: Model) -> str:
    sampling = model.sampling
    fields = [name for name in type(sampling).__match_args__ if name != "source"]
    each = [(name, getattr(sampling, name)) for name in fields]
    text = ", ".join(f"{name} {value:g}" for name, value in each if value is not None)
    if not text:
        return "not known"
    return f"{text} (not sent: the server's own hold)"


def _weights(model: Model) -> str:
    weights = model.weights
    if weights is None:
        return "none to run by oneself" if "weights" in model.sources else "not known"
    parts = [weights.repository, f"{weights.total_b:g}B"]
    if weights.active_b != weights.total_b:
        parts[-1] += f", {weights.active_b:g}B active"
    if weights.licence:
        parts.append(weights.licence)
    if weights.kv_bytes_per_token:
        parts.append(f"{weights.kv_bytes_per_token / 1024:g} KiB of cache a token")
    if weights.gguf:
        parts.append(f"GGUF: {weights.gguf}")
    if weights.ollama:
        parts.append(f"Ollama: {weights.ollama}")
    parts += [f"{name}: {size:g} GB" for name, size in weights.quantisations.items()]
    return ", ".join(parts)


def _label(name: str, field: str) -> str:
    return f"{name.removeprefix(f'{field}.')}: " if name != field else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return to_json(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
