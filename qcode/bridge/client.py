"""An editor's end of the bridge, for a command that says one thing and is done."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any, Self

from qcode.bridge.place import Listening
from qcode.bridge.protocol import LINE_BYTES, VERSION, write
from qcode.errors import QcodeError

ANSWERS_WITHIN_S = 5.0


class Client:
    """A connection to a session."""

    def __init__(self, to: Listening, name: str) -> None:
        """Connect and say hello.

        Raises:
            QcodeError: nobody answers, or it is not let in.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWERS_WITHIN_S)
        self._rest = b""
        try:
            self._socket.connect(to.socket)
            self.ask("hello", token=to.token, client=name, version=VERSION)
        except OSError as error:
            self._socket.close()
            raise QcodeError(f"session `{to.session}` does not answer ({error})") from error
        except QcodeError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, kind: str, **fields: object) -> dict[str, Any]:
        """Say something and return the answer.

        Raises:
            QcodeError: it was refused, or there is no answer.
        """
        try:
            self._socket.sendall(write(kind, **fields))
            answer = self.next()
        except OSError as error:
            raise QcodeError(f"the session does not answer ({error})") from error
        if answer.get("type") != "ok":
            raise QcodeError(f"the session refused: {answer.get('message', 'no reason given')}")
        return answer

    def next(self) -> dict[str, Any]:
        """Return what the session says next.

        Raises:
            QcodeError: it hung up, or it says what is none of the protocol.
            OSError: nothing came in time.
        """
        while b"\n" not in self._rest:
            piece = self._socket.recv(65536)
            if not piece or len(self._rest) > 8 * LINE_BYTES:
                raise QcodeError("the session hung up")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            value = json.loads(line)
        except ValueError as error:
            raise QcodeError("the session says what is no JSON") from error
        if not isinstance(value, dict):
            raise QcodeError("the session says what is no object")
        return value
