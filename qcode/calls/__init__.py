"""Tool calls out of what a model streams, in whatever form it writes them.

The way of a delta, left to right; `decoder.Decoder` is the door:

```
deltas ─▶ native    structured pieces, assembled ──────────────┐
      └─▶ scanner   text and reasoning, cut at signs of calls   ├─▶ settle ─▶ decoder
            └─▶ formats/   one module a way of writing calls ──┘   names, values, lenient
```

`feedback` is what the model hears of a call that could not be run, `intent`
what an answer without a call may have meant. The rules by which ambiguous text
is judged stand in docs/decisions/0006.
"""
