"""qcode for editors: an agent of the Agent Client Protocol on stdin and stdout.

`agent.py` answers the protocol's requests, `held.py` is one session of an editor; `updates.py`
turns events into what editors show, `asking.py` asks the person there, `said.py` reads prompts,
`buffers.py` knows of unsaved text, `obeying.py` does what slash commands say. Only this package
imports the library.
"""
