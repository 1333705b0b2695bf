"""The words in which servers refuse tools, their schemas, or a forced call.

The words are those of llama.cpp,
Ollama, LM Studio, vLLM and SGLang (with the grammar libraries they use),
OpenRouter, and OpenAI.
"""

from __future__ import annotations

import re

TOOLS_HINT = (
    'set tool_protocol = "prompted", or have the server take tools '
    "(llama.cpp: --jinja, vLLM: --enable-auto-tool-choice --tool-call-parser)"
)
"""What to do for a person who has settled on native tools."""

_TOOLS = re.compile(
    r"(do(es)?(n't| not)|not|un) ?support(s|ed)?:? (native |param\w*:? )?[`'\"]?"
    r"(tools?\b|tool.?(call|us)|function.?call)"
    r"|(tools?|tool.?(calls?|calling|use)|function.?call(s|ing)?)[`'\"]? "
    r"(param\w* )?(is|are) (not|un) ?(fully )?(support|enabled|available|allowed)"
    r"|tools param requires|cannot use tools with"
    r"|requires? --enable-auto-tool-choice|requires? --tool-call-parser"
    r"|no endpoints found that support tool use"
    r"|(unrecognized|unknown|unsupported|unexpected)[\w ]{0,30}"
    r"(argument|field|param\w*)( supplied)?:? [`'\"]?tools\b"
    # Templates made for no tools, about the messages that tools bring.
    r"|roles must alternate|only user(,| and) assistant[\w, ]{0,20} roles are supported",
    re.IGNORECASE,
)
_SCHEMAS = re.compile(
    r"failed to (parse|compile|convert|build)[\w ]{0,20} (grammar|json.?schema)"
    r"|failed to init\w*[\w ]{0,10} (sampler|grammar)"
    r"|(un|not )(recogni[sz]ed|supported)[\w ]{0,20} schema|schema conversion failed"
    r"|(json|tool|parameters?).?schema.{0,80}(un|not )(support|recogni[sz])"
    r"|error (convert|compil)ing[\w ]{0,20} (schema|grammar)"
    r"|invalid (json.?|function )?(schema|grammar)\b"
    r"|grammar (compil|pars|is too)\w*"
    r"|(xgrammar|outlines|llguidance|lm-format-enforcer).{0,80}(fail|error|not support|invalid)"
    r"|not supported by (xgrammar|outlines|llguidance|guidance)",
    re.IGNORECASE | re.DOTALL,
)
_FORCE = re.compile(
    r"tool.?choice|response.?format|json.?schema|grammar|guided|structured.?output|outlines"
    r"|guidance",
    re.IGNORECASE,
)


def refuses_tools(said: str) -> bool:
    """Return whether a server says that it, or its model, takes no native tools."""
    return bool(_TOOLS.search(said))


def refuses_schemas(said: str) -> bool:
    """Return whether a server says that it can make no grammar of a schema."""
    return bool(_SCHEMAS.search(said))


def refuses_force(said: str) -> bool:
    """Return whether a refusal of a request that forced a call may be about that force."""
    return bool(_FORCE.search(said))
