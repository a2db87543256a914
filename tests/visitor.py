"""A visitor without a browser: opens the page, speaks the kernel's protocol over the websocket, moves controls."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import urlsplit
from uuid import uuid4

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PROTOCOL = "v1.kernel.websocket.jupyter.org"
KERNEL = re.compile(r'"kernelId":\s*"([0-9a-f-]{36})"')


def get(url: str, path: str = "/", *, method: str = "GET", headers=(), seconds: float = 120, body=None):
    """(status, headers, body) of one request, the path sent as it is, without following redirects."""
    at = urlsplit(url)
    wire = http.client.HTTPConnection(at.hostname, at.port, timeout=seconds)
    try:
        wire.putrequest(method, path, skip_host=any(name.lower() == "host" for name, _ in headers))
        for name, value in headers:
            wire.putheader(name, value)
        if body is not None:
            wire.putheader("Content-Length", str(len(body)))
        wire.endheaders(body)
        found = wire.getresponse()
        return found.status, dict(found.getheaders()), found.read().decode("utf-8", "replace")
    finally:
        wire.close()


def packed(channel: str, header: dict, content: object, buffers=(), metadata=None) -> bytes:
    """One message in the protocol's first version."""
    plain = [json.dumps(part).encode() for part in (header, {}, metadata or {}, content)]
    parts = [channel.encode(), *plain, *buffers]
    at = [8 * (len(parts) + 2)]
    for part in parts:
        at.append(at[-1] + len(part))
    return b"".join([n.to_bytes(8, "little") for n in (len(at), *at)] + parts)


def unpacked(message: bytes) -> tuple[dict, dict, list[bytes], str]:
    """(header, content, buffers) of one, and the id of the message that it answers."""
    count = int.from_bytes(message[:8], "little")
    at = [int.from_bytes(message[8 * (i + 1) : 8 * (i + 2)], "little") for i in range(count)]
    parts = [message[a:b] for a, b in pairwise(at)]
    return json.loads(parts[1]), json.loads(parts[4]), parts[5:], json.loads(parts[2]).get("msg_id", "")


def opened(url: str, path: str, *, protocol: str | None = PROTOCOL, headers=(), queue: int | None = 16):
    """A websocket that reads on until `queue` messages wait to be taken."""
    address = f"ws://{urlsplit(url).netloc}{path}"
    names = [protocol] if protocol else None
    waiting = {"max_size": None, "open_timeout": 60, "ping_interval": None, "max_queue": queue}
    return connect(address, subprotocols=names, additional_headers=dict(headers), **waiting).__enter__()


class Visitor:
    """One page: `states` by widget id are kept up to date by a thread of its own; `heard` are all other messages.

    answers: by widget id, which of our messages have changed it.
    """

    def __init__(self, url: str, path: str = "/", *, headers=(), protocol: str | None = PROTOCOL) -> None:
        began = time.perf_counter()
        self.url = url
        status, _, self.html = get(url, path, headers=headers)
        if status != 200:
            raise ConnectionError(f"{status}: {self.html[:200]}")
        self.kernel = KERNEL.search(self.html)[1]
        self.states: dict[str, dict] = {}
        self.heard: list[tuple[dict, dict, list[bytes]]] = []
        self.answers: dict[str, set[str]] = {}
        self.received, self.closed = 0, False
        self.changed = threading.Condition()
        self.session = uuid4().hex
        self.wire = opened(
            url, f"/api/kernels/{self.kernel}/channels?session_id={self.session}", protocol=protocol, headers=headers
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self._control()
        self.seconds = time.perf_counter() - began

    def _control(self) -> None:
        comm = uuid4().hex
        open_ = {"comm_id": comm, "target_name": "jupyter.widget.control", "data": {}}
        self.send("comm_open", open_, metadata={"version": "1.0.0"})
        self.message(comm, {"method": "request_states"})
        assert self.until(lambda: self.states, 60), "no states came"

    def send(self, kind: str, content: object, *, channel="shell", buffers=(), metadata=None, **header) -> str:
        """The message's id."""
        head = {
            "msg_id": uuid4().hex,
            "session": self.session,
            "username": "",
            "date": datetime.now(UTC).isoformat(),
            "msg_type": kind,
            "version": "5.3",
            **header,
        }
        self.wire.send(packed(channel, head, content, buffers, metadata))
        return head["msg_id"]

    def message(self, comm: str, data: object, buffers=()) -> str:
        return self.send("comm_msg", {"comm_id": comm, "data": data}, buffers=buffers)

    def update(self, comm: str, **traits: object) -> str:
        """What a control sends when somebody moves it."""
        return self.message(comm, {"method": "update", "state": traits, "buffer_paths": []})

    def custom(self, comm: str, content: object, buffers=()) -> None:
        self.message(comm, {"method": "custom", "content": content}, buffers)

    def find(self, **traits: object) -> str:
        """The id of the one widget with these traits; a callable is a test of the value."""

        def fits(state: dict) -> bool:
            return all(
                name in state and (want(state[name]) if callable(want) else state[name] == want)
                for name, want in traits.items()
            )

        found = [comm for comm, state in list(self.states.items()) if fits(state)]
        assert found, f"no widget with {list(traits)}"
        return found[0]

    def until(self, state, seconds: float = 30.0) -> bool:
        """Wait for `state()`, asked after every message."""
        end = time.monotonic() + seconds
        with self.changed:
            while not state():
                left = end - time.monotonic()
                if left <= 0 or self.closed:
                    return bool(state())
                self.changed.wait(min(left, 1.0))
        return True

    def text(self) -> str:
        """Everything that is written on the page, as HTML."""
        return "\n".join(
            str(state["value"]) for state in list(self.states.values()) if state["_model_name"] == "HTMLModel"
        )

    def alive(self, seconds: float = 30.0) -> bool:
        """Whether Python answers the page's heartbeat."""
        before = sum(content == {"kind": "pong"} for content in self.customs())
        self.custom(self.find(interval_ms=lambda _: True), {"kind": "ping"})
        return self.until(lambda: sum(content == {"kind": "pong"} for content in self.customs()) > before, seconds)

    def customs(self) -> list[dict]:
        return [c["data"].get("content") for h, c, _ in list(self.heard) if h["msg_type"] == "comm_msg"]

    def close(self) -> None:
        """Leave without a word, as a browser does whose beacon is lost."""
        self.wire.close()

    def leave(self) -> None:
        """Close the page: the beacon ends the kernel."""
        self.wire.close()
        get(self.url, f"/voila/api/shutdown/{self.kernel}", method="POST", body=b"")

    def _read(self) -> None:
        try:
            for message in self.wire:
                self.received += len(message)
                if isinstance(message, bytes):
                    self._take(*unpacked(message))
                with self.changed:
                    self.changed.notify_all()
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.closed = True
            with self.changed:
                self.changed.notify_all()

    def _take(self, header: dict, content: dict, buffers: list[bytes], cause: str) -> None:
        data = content.get("data", {}) if header["msg_type"].startswith("comm_") else {}
        if data.get("method") == "update_states":
            self.states.update({comm: found["state"] for comm, found in data["states"].items()})
        elif header["msg_type"] == "comm_open":
            self.states[content["comm_id"]] = dict(data.get("state", {}))
        elif header["msg_type"] == "comm_close":
            self.states.pop(content["comm_id"], None)
            self.heard.append((header, content, buffers))
        elif data.get("method") in ("update", "echo_update"):
            self.states.setdefault(content["comm_id"], {}).update(data["state"])
            self.answers.setdefault(content["comm_id"], set()).add(cause)
        else:
            self.heard.append((header, content, buffers))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
