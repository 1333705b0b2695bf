"""Servers of the Model Context Protocol: their tools, prompts and resources in a session.

`servers.py` reads definitions, `listing.py` keeps what servers offer on disk, so that none is
started before something of it is used; `connection.py` holds one of them, `hub.py` all of a
session; `tools.py` is what the model calls, `telling.py` what it is told. Of these only
`connection.py`, `stdio.py`, `oauth.py` and `serve.py` import the library.
"""
