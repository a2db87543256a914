"""Seats, allowances and the shape of messages without a server; a token and an empty place with one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from test_hardening import TOKEN, Served
from tornado.httputil import HTTPHeaders
from visitor import PROTOCOL, get, opened, packed
from websockets.exceptions import InvalidStatus

from workbench.ui import room, wire
from workbench.ui.server import no_person


class Idle:
    """A kernel that has been without a page for some time."""

    def __init__(self, seconds: float, state: str = "idle") -> None:
        self.execution_state = state
        self.last_activity = datetime.now(UTC) - timedelta(seconds=seconds)


@pytest.fixture
def two(monkeypatch):
    """A room with two seats whose kernels are no processes."""

    async def start(self, *_args, kernel_id, **_how):
        await asyncio.sleep(0)
        self._kernels[kernel_id] = Idle(0)
        return kernel_id

    async def end(self, kernel_id, **_how):
        del self._kernels[kernel_id]

    monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
    monkeypatch.setattr(AsyncMappingKernelManager, "shutdown_kernel", end)
    return room.Room(seats=2)


def test_there_is_no_third_place_for_two(two):
    async def visits():
        return await asyncio.gather(*(two.start_kernel() for _ in range(5)), return_exceptions=True)

    found = asyncio.run(visits())
    assert sum(isinstance(each, str) for each in found) == 2 and two.taken == 2
    assert sum(isinstance(each, room.RoomFullError) for each in found) == 3


@pytest.mark.parametrize(
    ("kernel", "pages", "makes_place"),
    [
        ((room.LEFT_S + 5,), 0, True),
        ((room.LEFT_S + 5,), 1, False),
        ((room.LEFT_S - 5,), 0, False),
        ((room.LEFT_S + 5, "busy"), 0, False),
        ((room.LEFT_S + 5, "starting"), 0, False),
    ],
)
def test_only_who_has_left_makes_place(two, kernel, pages, makes_place):
    two._kernels.update(a=Idle(*kernel), b=Idle(0))
    two._kernel_connections.update(a=pages, b=1)
    if makes_place:
        assert asyncio.run(two.start_kernel()) in two and "a" not in two and "b" in two
    else:
        with pytest.raises(room.RoomFullError):
            asyncio.run(two.start_kernel())
        assert "a" in two


def test_who_has_been_gone_longest_goes_first(two):
    two._kernels.update(a=Idle(100), b=Idle(200))
    asyncio.run(two.start_kernel())
    assert "a" in two and "b" not in two


def test_an_allowance_is_used_up_and_comes_back(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(wire.time, "monotonic", lambda: now[0])
    allowance = wire.Allowance(per_s=2, at_once=3)
    assert [allowance.take(1) for _ in range(4)] == [True, True, True, False]
    now[0] += 1
    assert [allowance.take(1) for _ in range(3)] == [True, True, False]
    now[0] += 1000
    assert not allowance.take(4) and allowance.take(3)


def test_what_a_page_sends_is_well_formed():
    for buffers in ((), (b"",), (b"x" * 1000, b"y")):
        assert wire.well_formed(packed("shell", {"msg_type": "comm_msg"}, {"a": 1}, buffers), PROTOCOL)
    assert wire.well_formed("{}", None) and not wire.well_formed("{}", PROTOCOL)
    many = packed("shell", {}, {}, [b""] * (wire.PARTS + 1))
    assert not wire.well_formed(many, PROTOCOL)


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_message_that_was_cut_is_not(cut):
    whole = packed("shell", {"msg_type": "comm_msg"}, {"a": 1})
    assert not wire.well_formed(whole[: min(cut, len(whole) - 1)], PROTOCOL)


@pytest.mark.parametrize(
    ("headers", "person"),
    [
        ({}, True),
        ({"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Dest": "image"}, False),
        ({"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}, False),
        ({"Purpose": "prefetch"}, False),
    ],
)
def test_a_person_opens_a_document(headers, person):
    assert (no_person(HTTPHeaders(headers)) == "") is person


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("home"), token=TOKEN, preheat=0)
    yield made
    made.stop()


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=a%20token"])
def test_without_the_token_there_is_no_page_and_no_kernel(guarded, token):
    status, headers, _ = get(guarded.url, f"/{token}")
    assert status == 302 and headers["Location"].startswith("/login?next=")
    assert "Kernel started" not in guarded.said()


def test_without_the_token_nothing_else_opens(guarded):
    kernel = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(InvalidStatus):
        opened(guarded.url, f"/api/kernels/{kernel}/channels?session_id=x")
    assert get(guarded.url, f"/voila/api/shutdown/{kernel}", method="POST", body=b"")[0] == 403
    assert get(guarded.url, f"/api/kernels/{kernel}")[0] == 403


def test_the_token_is_not_listed_with_the_processes(guarded):
    words = psutil.Process(guarded.process.pid).cmdline()
    assert not any(TOKEN in word for word in words) and TOKEN not in guarded.said()


def test_the_token_opens_the_door(guarded):
    words = TOKEN.replace(" ", "%20")
    status, *_ = get(guarded.url, f"/voila/files/x?token={words}")
    assert status == 403  # in, and no file is served there either
    assert get(guarded.url, "/", headers=[("Authorization", f"token {TOKEN}"), ("Sec-Fetch-Dest", "image")])[0] == 403
