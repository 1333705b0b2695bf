"""A person's own functions as tools: told by their types, run as they are, bounded as all are."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, overload

from qcode.api.docstrings import read
from qcode.api.shapes import Wrong, fields_of, object_shape
from qcode.daemon import in_daemon
from qcode.errors import ToolError, UsageError
from qcode.messages import JsonObject
from qcode.record import replace
from qcode.tools import base
from qcode.tools.base import Effect
from qcode.tools.given import Given
from qcode.tools.output import Output, log_opener

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

EFFECTS = (Effect.READ, Effect.STATE, Effect.EXTERNAL)
"""What a function may do as a tool: the others are qcode's own, which go through its sandbox."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What all APIs take as a tool's name."""

_SUMMARY = 120
"""Characters of the arguments that a person is shown in one line."""


class Context:
    """What a function is given of the session that it runs in, if one of its parameters asks."""

    def __init__(self, context: base.Context) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._cancelled = threading.Event()

    @property
    def cwd(self) -> Path:
        """The directory that the session works in."""
        return self._context.workspace.root

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the result any more; for loops of functions in threads."""
        return self._cancelled.is_set()

    def path(self, text: str, *, write: bool = False) -> Path:
        """Return the real path that a model's path names, as qcode's own tools would.

        Raises:
            ToolError: it is outside the workspace, hidden or protected; let it go to the model.
        """
        return self._context.path(text, write=write)

    def show(self, text: str) -> None:
        """Show a person what the tool is at, as a command's output is; from any thread."""
        if not self.is_cancelled:
            self._loop.call_soon_threadsafe(self._context.output, text)

    def cancel(self) -> None:
        """Say that nobody waits for the result any more."""
        self._cancelled.set()


class FunctionTool(Given, Generic[P, R]):
    """A function that the model may call; called by anybody else it is the function."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str = "",
        description: str = "",
        effect: Effect | str = Effect.EXTERNAL,
        timeout_s: float | None = None,
    ) -> None:
        """See `tool`."""
        about, texts = read(inspect.getdoc(function))
        name = name or getattr(function, "__name__", "")
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"`{name}` cannot be the name of a tool",
                hint="it takes up to 64 letters, digits, `_` and `-`, a letter first",
            )
        try:
            effect = Effect(effect)
        except ValueError:
            effect = Effect.EDIT
        if effect not in EFFECTS:
            raise UsageError(f"the effect of `{name}` must be one of {', '.join(EFFECTS)}")
        fields, self._wants_context = fields_of(function, (Context,), texts)
        self._arguments = object_shape(fields, dict)
        super().__init__(name, description or about or name, self._arguments.schema, effect)
        self._function = function
        self._timeout_s = timeout_s
        self.is_unbound = next(iter(inspect.signature(function).parameters), "") == "self"
        """Whether it is a method that is no object's."""
        self.__doc__ = function.__doc__
        self.__name__ = name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self._function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> FunctionTool[..., Any]:
        """Return the tool of an object, where a method was decorated."""
        if instance is None:
            return self
        method = self._function.__get__(instance, owner)
        return FunctionTool(
            method,
            name=self.name,
            description=self._description,
            effect=self.effect,
            timeout_s=self._timeout_s,
        )

    def build(self, data: JsonObject) -> JsonObject:
        """Return the values that the function is called with.

        Raises:
            ToolError: the arguments are not of its types.
        """
        try:
            values: JsonObject = self._arguments.read(data, "")
        except Wrong as wrong:
            names = ", ".join(self._parameters.get("properties", ())) or "none"
            raise ToolError(f"{self.name} was not run: {wrong} Parameters: {names}.") from None
        return values

    def summary(self, params: JsonObject) -> str:
        """Return the arguments in one line."""
        shown = ", ".join(f"{name}={_in_words(value)}" for name, value in params.items())
        line = " ".join(shown.split())
        return line if len(line) <= _SUMMARY else f"{line[: _SUMMARY - 1]}…"

    async def run(self, params: JsonObject, context: base.Context) -> base.Result:
        """Call the function; what it raises is told to the model in a line, without a traceback.

        Raises:
            ToolError: it raised something, or took too long.
        """
        mine = Context(context)
        values = {**params, **dict.fromkeys(self._wants_context, mine)}
        try:
            async with asyncio.timeout(self._timeout_s) as clock:
                returned = await self._called(values)
        except ToolError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ToolError(f"{self.name} was cancelled from within. Try another way.") from None
        except TimeoutError as error:
            if not clock.expired():
                raise self._failed(error) from None
            raise ToolError(
                f"{self.name} was ended: it took longer than {self._timeout_s:g} s."
            ) from None
        except Exception as error:  # noqa: BLE001 (told to the model, and logged)
            raise self._failed(error) from None
        finally:
            mine.cancel()
        try:
            return _bounded(_result(returned), self.name, context)
        except (TypeError, ValueError, RecursionError) as error:
            log.warning("tool %s returned what has no form in JSON", self.name, exc_info=True)
            raise ToolError(f"{self.name} was run, but its result has no text: {error}") from None

    async def _called(self, values: JsonObject) -> object:
        function: Callable[..., Any] = self._function
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        raised, returned = await in_daemon(lambda: _outcome(function, values))
        if raised is not None:
            raise raised
        return await returned if inspect.isawaitable(returned) else returned

    def _failed(self, error: Exception) -> ToolError:
        log.warning("tool %s failed", self.name, exc_info=error)
        said = " ".join(str(error).split())
        why = f"{type(error).__name__}: {said}" if said else type(error).__name__
        return ToolError(f"{self.name} failed: {why[:2000]}")


def _outcome(function: Callable[..., Any], values: JsonObject) -> tuple[Exception | None, Any]:
    """Return what a function raised, or what it returned."""
    try:
        return None, function(**values)
    except SystemExit as left:
        return RuntimeError(f"it wanted to end the program ({left})"), None
    except Exception as error:  # noqa: BLE001 (told to the model by whoever waits)
        if isinstance(error, StopIteration | StopAsyncIteration):
            return RuntimeError(f"it raised {type(error).__name__}"), None
        return error, None


def _in_words(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _result(returned: object) -> base.Result:
    """Return what a function's value is to the model."""
    if isinstance(returned, base.Result):
        return returned
    if returned is None:
        return base.Result("done", "done")
    if isinstance(returned, str):
        return base.Result(returned)
    return base.Result(json.dumps(returned, ensure_ascii=False, default=_plainly))


def _plainly(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, bytes):
        raise TypeError("bytes are no text")
    return str(value)


def _bounded(result: base.Result, name: str, context: base.Context) -> base.Result:
    """Return the result with as much text as the model gets of a command; a file has the rest."""
    output = Output(log_opener(context.spill_dir, name), sizes=context.sizes)
    try:
        output.add(result.text.encode("utf-8", "replace"))
        shown = output.shown()
    finally:
        output.close()
    lines = f"{shown.lines} line{'s' * (shown.lines != 1)}"
    return replace(result, text=shown.text, summary=result.summary or lines)


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...


@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    effect: Effect | str = Effect.EXTERNAL,
    timeout_s: float | None = None,
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str = "",
    description: str = "",
    effect: Effect | str = Effect.EXTERNAL,
    timeout_s: float | None = None,
) -> FunctionTool[P, R] | Callable[[Callable[P, R]], FunctionTool[P, R]]:
    """Make a tool of a function; plain, or with options.

    The model is told of the function by its name, its docstring and its types
    (`qcode.api.shapes`); a parameter of type `Context` is not told but given. A coroutine runs
    on the event loop, any other function in a thread of its own. What it returns is the result:
    text, `None`, whatever JSON can hold, or a `ToolResult`. What it raises is told to the model
    in a line, and a `ToolError` in its own words.

    Args:
        function: The function, when it is decorated without options.
        name: What the model calls it; by default the function's name.
        description: What the model reads of it; by default its docstring up to the first section.
        effect: The worst it may do. `READ` changes nothing: it is not asked about, and several
            calls run at once. `STATE` changes only what the program itself keeps: it is not
            asked about either. `EXTERNAL` may do anything: it is asked about unless the mode or a
            rule allows it. No sandbox holds any of them.
        timeout_s: Seconds after which the call is ended with an error. A thread goes on then,
            and can ask `Context.is_cancelled`.

    Raises:
        UsageError: a parameter has no type or one that models cannot give, or the name is not one.
    """

    def make(function: Callable[P, R]) -> FunctionTool[P, R]:
        return FunctionTool(
            function, name=name, description=description, effect=effect, timeout_s=timeout_s
        )

    return make if function is None else make(function)
