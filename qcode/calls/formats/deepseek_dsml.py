"""DeepSeek V3.2 and V4: the grammar of invokes with `｜DSML｜` in each tag.

Source: the encoding published with DeepSeek-V3.2. The bar is U+FF5C; servers
and people also write it as ASCII, twice, or not at all. The attribute `string`
says what the schema says better.
"""

from __future__ import annotations

from qcode.calls.invoke import InvokeFormat


def _format(prefix: str) -> InvokeFormat:
    return InvokeFormat(
        "deepseek-dsml",
        (f"{prefix}function_calls", f"{prefix}tool_calls"),
        prefix=prefix,
        bare_anywhere=True,
    )


FORMATS = tuple(
    _format(prefix) for prefix in ("｜DSML｜", "|DSML|", "||DSML||", "｜｜DSML｜｜", "DSML")
)
