"""Taking over what people set in other tools: Qwen Code, Claude Code, Codex.

`qwen.py`, `claude.py` and `codex.py` know where each keeps its settings and what they mean;
`rules.py`, `servers.py` and `hooks.py` put their parts into qcode's words; `plan.py` holds all
that was found (`taken.py`) against a person's own file, and makes its new text. Nothing is
written here, and no value of a key is kept: `secret.py` puts variables in their place.
"""
