"""The tools of packages that a person enabled: entry points of the group `qcode.tools`.

Being installed is not enough: a package comes along with others, and what is imported here has
the person's rights, keys included. So a person names packages in their own configuration, and
only these are looked up, one by one; nothing is scanned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from qcode.errors import QcodeError, UsageError
from qcode.tools.base import Tool

if TYPE_CHECKING:
    from qcode.agent import Agent

TOOLS = "qcode.tools"
PROVIDERS = "qcode.providers"


class PluginError(QcodeError):
    """A package is not what its entry points promise; the message names it and the cause."""

    def __init__(self, package: str, cause: object) -> None:
        said = " ".join(str(cause).split())[:300]
        if isinstance(cause, BaseException):
            said = f"{type(cause).__name__}: {said}" if said else type(cause).__name__
        super().__init__(f"the plugin `{package}` is left out: {said}")


def entry_points(package: str, group: str) -> list[metadata.EntryPoint]:
    """Return the entry points of an installed package, in the order of their names.

    Raises:
        PluginError: it is not installed.
    """
    try:
        found = metadata.distribution(package).entry_points.select(group=group)
    except (metadata.PackageNotFoundError, ValueError):
        raise PluginError(
            package, "it is not installed here; install it, or take it out of `plugins`"
        ) from None
    return sorted(found, key=lambda point: point.name)


def load(package: str, point: metadata.EntryPoint) -> Any:
    """Return what an entry point names.

    Raises:
        PluginError: it cannot be imported.
    """
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(package, error) from error


def tools_of(package: str) -> list[Tool[Any]]:
    """Return a package's tools: each entry point is one, a class of one, or returns several.

    Raises:
        PluginError: the package is not installed, or does not hold tools.
    """
    found: list[Tool[Any]] = []
    for point in entry_points(package, TOOLS):
        value = load(package, point)
        try:
            made = value if isinstance(value, Tool) or not callable(value) else value()
            some = [made] if isinstance(made, Tool) else list(made)
        except (Exception, SystemExit) as error:
            raise PluginError(package, error) from error
        if wrong := [each for each in some if not isinstance(each, Tool)]:
            raise PluginError(package, f"`{point.value}` is no tool: {wrong[0]!r}")
        found += some
    its = metadata.distribution(package)
    origin = f"{its.metadata['Name']} {its.version}"
    for tool in found:
        tool.origin = origin
    return found


def add_tools(agent: Agent, packages: Sequence[str], note: Callable[[str], None]) -> None:
    """Have the model told of the packages' tools; one that fails is told in a line, and left out.

    They come in the order of the configuration, so that requests begin alike each time.
    """
    for package in _once(packages):
        try:
            _add(agent, package)
        except PluginError as error:
            note(str(error))


def _add(agent: Agent, package: str) -> None:
    tools = tools_of(package)
    try:
        agent.add_tools(tools)
    except UsageError as error:
        raise PluginError(package, error.message) from error
    except Exception as error:
        raise PluginError(package, error) from error


def _once(packages: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(packages))
