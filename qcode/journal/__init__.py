"""The append-only file of a session: written before anything is shown.

One JSON object a line. The first names the format:

```
{"type":"session","version":1,"id":…,"cwd":…,"model":…,"created":…,"system":…}
{"type":"message","at":…, …}      a message of the history (`messages.to_json`)
{"type":"delta","text":…}         a piece of an answer that is still being written
{"type":"void"}                   the pieces so far are void: the request is sent again
{"type":"run","call_id":…}        a tool call is about to be run
{"type":"usage", …}               tokens of one request; of a step's, unless it has a `purpose`;
                                  with `estimate`, it was stopped before they were counted
{"type":"repair","call_id":…,"notes":…}   a call was read otherwise than it was written
{"type":"changed","call_id":…,"arguments":…}   a person changed a call; what is run
{"type":"fresh"}                  the history begins anew here; what was done stays done
{"type":"rewind","call_id":…}     the history goes back to before that call
{"type":"rewind","said":…}        … to before the person's message of that number, from 1
{"type":"return"}                 what the last rewind dropped is there again
{"type":"compact","opening":…,"kept":…}   only the last messages stay, after this one;
                                  `summary` is what of it the model wrote
{"type":"aside","text":…}         to be told to the model with the next message
{"type":"model","model":…}        another model from here on
{"type":"protocol","protocol":…}  how the model is told of tools from here on
{"type":"title","title":…}        what a person calls the session; nothing: no longer
```

The header of a session that began as a copy of another one names that one as `parent`.

A process may be killed at any byte. The loader takes a torn last line as never
written, makes an interrupted answer of pieces without their message, and
answers tool calls whose result is missing.

Secrets are masked in what was said, so that a session that is reopened differs from
the one that was closed only where there was one.
"""
