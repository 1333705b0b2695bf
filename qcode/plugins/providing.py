"""Providers of packages that a person enabled: `-m name/model`, `name` of an entry point.

The group is `qcode.providers`; each entry point is called with the model's name and returns a
`qcode.providers.Provider`. qcode's own retries and its care for tool calls go around it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from importlib import metadata
from typing import Any, cast

from qcode.errors import ProviderError, ProviderFault, QcodeError
from qcode.plugins.loading import PROVIDERS, PluginError, entry_points, load
from qcode.providers import Delta, Provider, Request
from qcode.providers.registry import Target


def target_for(named: str, packages: Sequence[str]) -> Target | None:
    """Return the target of `name/model` where a package provides `name`; None: none does.

    A package that is missing counts as one that does not: its tools' loading tells of it.

    Raises:
        PluginError: the one that does cannot be imported.
    """
    name, _, model = named.partition("/")
    for package in dict.fromkeys(packages):
        try:
            points = entry_points(package, PROVIDERS)
        except PluginError:
            continue
        for point in points:
            if point.name == name and model:
                make = load(package, point)
                return Target(
                    model=model,
                    base_url=None,
                    api_key=None,
                    kind="given",
                    make=partial(_made, package, point, make, model),
                    provider_name=name,
                )
    return None


def _made(
    package: str, point: metadata.EntryPoint, make: Callable[[str], Any], model: str
) -> Provider:
    try:
        provider = make(model)
    except QcodeError:
        raise
    except Exception as error:
        raise PluginError(package, error) from error
    missing = [name for name in ("model", "stream", "close") if not hasattr(provider, name)]
    if missing:
        raise PluginError(package, f"what `{point.value}` returns has no `{missing[0]}`")
    return _Guarded(package, cast("Provider", provider))


class _Guarded:
    """A provider whose bugs end the turn with a line that names the package."""

    def __init__(self, package: str, provider: Provider) -> None:
        self._package = package
        self._provider = provider

    @property
    def model(self) -> str:
        """The model's name as the endpoint knows it."""
        return self._provider.model

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        """Ask, and yield the answer as it comes.

        Raises:
            ProviderError: the endpoint failed, or the package.
        """
        try:
            stream = cast("Any", self._provider.stream(request))
            async with aclosing(stream) as deltas:
                async for delta in deltas:
                    yield delta
        except QcodeError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    async def close(self) -> None:
        """Give up connections."""
        try:
            await self._provider.close()
        except QcodeError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ProviderError:
        said = " ".join(str(error).split())[:300]
        return ProviderError(
            f"the plugin `{self._package}` failed: {type(error).__name__}: {said}",
            fault=ProviderFault.REFUSED,
            hint="that is for its authors to mend",
        )
