"""Who is tried in an evaluation: agents by name, models where they are served, how many at once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from qcode.cli.chosen import choose_model
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import settings_from
from qcode.errors import UsageError
from qcode.evals.agents import Agent, Endpoint, known
from qcode.evals.agents.outside import price_of
from qcode.evals.harness import versions
from qcode.evals.harness.scripted_model import MODEL
from qcode.evals.harness.trial import Header
from qcode.providers.connection import parse_origin
from qcode.providers.llamacpp import LlamaServer


def agents_of(names: Sequence[str]) -> dict[str, Agent]:
    """Return agents by name@version.

    Raises:
        UsageError: there is none of that name, or it is not installed.
    """
    made = [known.make(name.strip(), os.environ, counted=True) for name in names if name.strip()]
    if not made:
        raise UsageError("--agent names none", hint=f"there are: {', '.join(known.AGENTS)}")
    return {f"{agent.name}@{agent.version()}": agent for agent in made}


def endpoints_of(args: argparse.Namespace, header: Header) -> list[Endpoint]:
    """Return where the models of an evaluation are now.

    Raises:
        QcodeError: one cannot be found, or is another than it was begun with.
    """
    asked = dict(header.settings)
    if args.base_url:
        asked["base_url"] = args.base_url  # the same server, at another port by now
    endpoints = resolved(args, asked)
    models = tuple(endpoint.model for endpoint in endpoints)
    if models != header.models:
        raise UsageError(
            f"it was begun with {', '.join(header.models)}, and there is {', '.join(models)}",
            hint="begin a new evaluation",
        )
    return endpoints


def resolved(args: argparse.Namespace, asked: Mapping[str, Any]) -> list[Endpoint]:
    """Return where each model is that a person named.

    Raises:
        QcodeError: one cannot be found, fetched or served.
    """
    return [_endpoint(name, args, asked) for name in asked["named"]]


def _endpoint(name: str, args: argparse.Namespace, asked: Mapping[str, Any]) -> Endpoint:
    temperature = asked.get("temperature")
    if name == MODEL and not asked.get("base_url"):
        return Endpoint(MODEL, "", temperature=temperature)
    settings = settings_from(args, Path.cwd())
    settings = changed(
        settings,
        model=name,
        base_url=asked.get("base_url") or settings.base_url,
        api_key_env=asked.get("api_key_env") or settings.api_key_env,
    )
    chosen = choose_model(settings, note_on_stderr, local=False)
    target = chosen.target
    return Endpoint(
        target.model,
        target.base_url or "",
        api_key_env=target.key_source or "",
        context_window=chosen.context_window,
        temperature=temperature,
    )


def usual_jobs(endpoints: Sequence[Endpoint]) -> int:
    """Return how many trials go side by side: those of a server here would slow each other."""
    for endpoint in endpoints:
        if endpoint.base_url and parse_origin(endpoint.base_url).is_loopback:
            return 1
    return versions.cores()


async def mind_slots(endpoints: Sequence[Endpoint], at_once: int) -> None:
    """Say which servers near by hold fewer conversations than there will be trials at once.

    llama.cpp's tells its slots. The trials beyond them wait, with their own time running, and
    what each conversation has in the server's memory is lost to the next.
    """
    for base_url in dict.fromkeys(each.base_url for each in endpoints if each.base_url):
        origin = parse_origin(base_url)
        if not origin.is_local:
            continue
        server = LlamaServer(base_url)
        try:
            slots = await server.slots()
        except OSError:  # not to be reached: the trials will say so
            slots = 0
        finally:
            await server.close()
        if 0 < slots < at_once:
            held = "1 slot" if slots == 1 else f"{slots} slots"
            note_on_stderr(
                f"{at_once} trials at once, and the server at {origin.host}:{origin.port} has "
                f"{held}: they wait for each other; take -j {slots}, or start it with -np {at_once}"
            )


def mind_prices(endpoints: Sequence[Endpoint]) -> None:
    """Say of which models the cost may be unknown, so that `--max-cost` does not end them."""
    for endpoint in endpoints:
        if endpoint.base_url and price_of(endpoint) is None:
            note_on_stderr(
                f"the price of {endpoint.model} is not known: its requests count for --max-cost "
                "only if the endpoint tells their cost"
            )
