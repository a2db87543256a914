"""What a page sends over its websocket, looked at before the server reads it.

The server's own parser trusts the counts and offsets in a message: eight bytes that announce 2^64 parts keep it busy,
and with it every other page, until the memory is gone. And what a page does not read is kept for it without end.
"""

from __future__ import annotations

import time
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.iostream import StreamBufferFullError

PARTS = 1024
"""Buffers of one message, at most; a page sends one."""
CHANNELS = (b"shell", b"control")
OUTPUTS = ("stream", "error", "display_data", "update_display_data", "execute_result", "execute_input", "debug_event")
"""What a kernel may print and a page never shows: tracebacks with paths among it. The app speaks through widgets."""
HEADER_BYTES = 10_000
UNREAD_BYTES = 32_000_000
"""What is kept for a page that does not read; the first view takes a fifth of it."""
MESSAGES_PER_S, MESSAGES_AT_ONCE = 200, 2_000
BYTES_PER_S, BYTES_AT_ONCE = 4_000_000, 40_000_000
REFUSED = 1008
"""What the websocket is closed with: a policy was violated."""


class Allowance:
    """So many at once, and so many a second from then on."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self._per_s, self._most = per_s, at_once
        self._left, self._seen = at_once, time.monotonic()

    def take(self, amount: float) -> bool:
        """Whether there is as much left; it is taken then."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._seen) * self._per_s)
        self._seen = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Wire(ZMQChannelsWebsocketConnection):
    """One page's connection to its kernel. Whoever breaks the protocol loses the connection, and nobody else does."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._messages = Allowance(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self._bytes = Allowance(BYTES_PER_S, BYTES_AT_ONCE)

    def connect(self) -> Any:
        """As the server does, with an end to what is kept for a page that does not read."""
        connection = self.websocket_handler.ws_connection
        assert connection is not None and connection.stream is not None, "it has just been accepted"
        connection.stream.max_write_buffer_size = UNREAD_BYTES
        return super().connect()

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        if not (self._messages.take(1) and self._bytes.take(len(incoming_msg))):
            return self._refuse("too much at once")
        if not well_formed(incoming_msg, self.subprotocol):
            return self._refuse("a message of another shape")
        try:
            super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type] # it reads both
        except Exception as error:  # whatever its parser meets in what a stranger sent
            self._refuse(type(error).__name__)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        _, parts = self.session.feed_identities(outgoing_msg)
        if self.session.unpack(parts[1])["msg_type"] not in OUTPUTS:
            super().handle_outgoing_message(stream, outgoing_msg)

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        try:
            super()._on_zmq_reply(stream, msg_list)  # type: ignore[no-untyped-call] # the server's has no types
        except StreamBufferFullError:
            self._refuse("it does not read what it asks for")

    def _refuse(self, why: str) -> None:
        self.log.warning("Closed the connection of a page: %s.", why)
        self.websocket_handler.close(REFUSED)


def well_formed(message: str | bytes, protocol: str | None) -> bool:
    """Whether counts and offsets lie within the message, so that a parser can follow them."""
    if isinstance(message, str):
        return not protocol
    return _parts_fit(message, 8, "little", at_end=True) if protocol else _parts_fit(message, 4, "big", at_end=False)


def _parts_fit(message: bytes, width: int, order: Any, *, at_end: bool) -> bool:
    """count, then so many offsets, ascending; at_end: the last is the message's end and the first part a channel."""
    count = int.from_bytes(message[:width], order)
    if not 1 <= count <= PARTS or len(message) < width * (count + 1):
        return False
    at = [int.from_bytes(message[width * (i + 1) : width * (i + 2)], order) for i in range(count)]
    if at[0] != width * (count + 1) or at != sorted(at) or at[-1] > len(message):
        return False
    if not at_end:
        return True
    return count >= 6 and message[at[0] : at[1]] in CHANNELS and at[2] - at[1] <= HEADER_BYTES
