"""How families of models write tools, calls and results as text.

The forms are those of the models' chat templates; the sentences around them are
qcode's own, in prompts/protocols/. Nothing in these formats is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from qcode.calls.example import example
from qcode.calls.written import stands_in
from qcode.messages import ToolCall, ToolMessage
from qcode.paths import models_file
from qcode.prompts import load
from qcode.providers import ToolSpec
from qcode.providers.chat_body import safe_arguments
from qcode.record import Record


class Style(Record):
    """One way of writing; each function returns text without a newline at its ends."""

    prompt: str
    """The file in prompts/protocols/ that says how to call, around `{{tools}}`."""
    tool: Callable[[ToolSpec], str]
    call: Callable[[ToolCall], str]
    result: Callable[[ToolMessage, ToolCall | None], str]
    """Gets the call that is answered, too, if it is known."""
    around: tuple[str, str] = ("", "")
    """What stands before and behind all calls of one answer."""
    stands_in: Callable[[ToolCall, str], bool] = lambda _call, _text: False
    """Whether the text of an answer has a call in it already, so that it is not written again."""
    shows_example: bool = False
    """Whether the prompt has a place for a call, `{{example}}`.

    Models trained on the form need none; small ones make up fewer names with one.
    """

    def describe(self, tools: Sequence[ToolSpec]) -> str:
        """Return what the model is told of the tools, and of calling them."""
        values = {"tools": "\n".join(self.tool(spec) for spec in tools)}
        if self.shows_example:
            arguments = json.dumps(example(tools[0].parameters), ensure_ascii=False)
            values["example"] = self.call(ToolCall("", tools[0].name, arguments))
        return load(f"protocols/{self.prompt}", **values)

    def calls(self, calls: Sequence[ToolCall]) -> str:
        """Return all calls of one answer."""
        opener, closer = self.around
        return opener + "\n".join(self.call(call) for call in calls) + closer


def style_for(model: str) -> str:
    """Return the name of the style for a model.

    The person's own file is first. Families with a format of their own get it, by the name, and
    where that tells nothing, by the registry: it says the same of all that it has (a test holds
    both against each other), and need not be read for most. Models never trained on tools,
    and the small Qwen2.5-Coder ones whatever they are told, write a fenced
    block by themselves: `fenced`. All others get `hermes`, which more models
    were trained on than on anything else.
    """
    own = _known(model, "call_format") if models_file().exists() else ""
    if own:
        return own
    name = model.lower().rpartition("/")[2]
    by_name = next((style for pattern, style in _BY_NAME if re.search(pattern, name)), "")
    return by_name or _known(model, "") or "hermes"


def _known(model: str, field: str) -> str:
    """Return the style of a model that is known; with a field only if the person set it."""
    from qcode.models import find

    known = find(model)
    if known is None or (field and field not in known.own):
        return ""
    return known.call_format if known.call_format in STYLES else ""


_BY_NAME = (
    (r"hermes", "hermes"),  # before the family that it was made from
    (r"qwen-?3-?coder", "qwen3-coder"),
    (r"qwen-?3[.-][5-9](?!\d|b)|mimo", "qwen3.5"),
    (r"qwen-?2\.?5-?coder", "fenced"),
    (r"glm-?(4\.[5-9]|[5-9])(?!\d|b)", "glm"),
    (r"minimax", "minimax"),
    (
        r"gemma|llama|starcoder|deepseek-coder|codestral|phi-?\d|yi-coder|stable-?code|codegeex",
        "fenced",
    ),
)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _function(spec: ToolSpec) -> dict[str, object]:
    return {"name": spec.name, "description": spec.description, "parameters": spec.parameters}


def _bare_tool(spec: ToolSpec) -> str:
    return _json(_function(spec))


def _wrapped_tool(spec: ToolSpec) -> str:
    return _json({"type": "function", "function": _function(spec)})


def _tagged_tool(spec: ToolSpec) -> str:
    return f"<tool>{_bare_tool(spec)}</tool>"


def _xml_tool(spec: ToolSpec) -> str:
    lines = ["<function>", f"<name>{spec.name}</name>"]
    lines += [f"<description>{spec.description}</description>", "<parameters>"]
    for name, schema in spec.parameters.get("properties", {}).items():
        lines += ["<parameter>", f"<name>{name}</name>"]
        for key, value in schema.items():
            lines.append(f"<{key}>{value if isinstance(value, str) else _json(value)}</{key}>")
        lines.append("</parameter>")
    if required := spec.parameters.get("required"):
        lines.append(f"<required>{_json(required)}</required>")
    return "\n".join([*lines, "</parameters>", "</function>"])


def _object_call(call: ToolCall) -> str:
    # The arguments as they were written: rendered anew they could differ in a space,
    # and the server would have to read on from there.
    return f'{{"name": {_json(call.name)}, "arguments": {safe_arguments(call.arguments)}}}'


def _hermes_call(call: ToolCall) -> str:
    return f"<tool_call>\n{_object_call(call)}\n</tool_call>"


def _fenced_call(call: ToolCall) -> str:
    return f"```json\n{_object_call(call)}\n```"


def _qwen_call(call: ToolCall) -> str:
    values = "".join(
        f"<parameter={name}>\n{value}\n</parameter>\n" for name, value in _values(call)
    )
    return f"<tool_call>\n<function={call.name}>\n{values}</function>\n</tool_call>"


def _glm_call(call: ToolCall) -> str:
    values = "".join(
        f"<arg_key>{name}</arg_key>\n<arg_value>{value}</arg_value>\n"
        for name, value in _values(call)
    )
    return f"<tool_call>{call.name}\n{values}</tool_call>"


def _minimax_call(call: ToolCall) -> str:
    values = "".join(
        f'<parameter name="{name}">{value}</parameter>\n' for name, value in _values(call)
    )
    return f'<invoke name="{call.name}">\n{values}</invoke>'


def _values(call: ToolCall) -> list[tuple[str, str]]:
    """Return the arguments as these formats have them: strings raw, all else JSON."""
    values = json.loads(safe_arguments(call.arguments))
    return [(k, v if isinstance(v, str) else _json(v)) for k, v in values.items()]


def _tagged_result(result: ToolMessage, _: ToolCall | None) -> str:
    return f"<tool_response>\n{result.text}\n</tool_response>"


def _minimax_result(result: ToolMessage, _: ToolCall | None) -> str:
    return f"<response>{result.text}</response>"


def _answer_result(result: ToolMessage, call: ToolCall | None) -> str:
    """Return what came of a command, as a terminal shows it, or of a file."""
    if call is None or call.name != "run_shell_command":
        return result.text
    command = str(json.loads(safe_arguments(call.arguments)).get("command", ""))
    fence = _fence_around(result.text)
    return f"{fence}\n$ {command}\n{result.text}\n{fence}"


def _fenced_result(result: ToolMessage, call: ToolCall | None) -> str:
    """Return the result in a block; what was read stands under its file's name.

    Small models take up code best that way: docs/decisions/0005.
    """
    label = result.name
    if call is not None and call.name == "read_file":
        label = str(json.loads(safe_arguments(call.arguments)).get("file_path") or label)
    fence = _fence_around(result.text)
    return f"{label}:\n{fence}\n{result.text}\n{fence}"


def _fence_around(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return fence


STYLES = {
    "hermes": Style("hermes", _wrapped_tool, _hermes_call, _tagged_result),
    "qwen3-coder": Style("qwen3-coder", _xml_tool, _qwen_call, _tagged_result),
    "qwen3.5": Style("qwen3-coder", _wrapped_tool, _qwen_call, _tagged_result),
    "fenced": Style("fenced", _bare_tool, _fenced_call, _fenced_result, shows_example=True),
    "answer": Style(
        "fenced",
        _bare_tool,
        _fenced_call,
        _answer_result,
        stands_in=stands_in,
        shows_example=True,
    ),
    "glm": Style("glm", _wrapped_tool, _glm_call, _tagged_result),
    "minimax": Style(
        "minimax",
        _tagged_tool,
        _minimax_call,
        _minimax_result,
        ("<minimax:tool_call>\n", "\n</minimax:tool_call>"),
    ),
}
