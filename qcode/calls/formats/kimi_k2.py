"""Kimi K2: special tokens, and the tool's name in the call's id.

Source: the tool-call guide published with Kimi-K2.
"""

from __future__ import annotations

import re

from qcode.calls.sections import SectionFormat

FORMATS = (
    SectionFormat(
        "kimi-k2",
        section=("<|tool_calls_section_begin|>", "<|tool_call_section_begin|>"),
        call=("<|tool_call_begin|>",),
        call_end=("<|tool_call_end|>",),
        section_end=("<|tool_calls_section_end|>", "<|tool_call_section_end|>"),
        header=re.compile(
            r"\s*(?P<id>(?:functions\.)?(?P<name>[^\s<>:|{}]{1,120})(?::\d+)?)\s*"
            r"(?:<\|tool_call_argument_begin\|>|(?=<\|tool_call_end\|>))"
        ),
    ),
)
