"""Where kernels that are ready wait for their visitors, as kernels see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, websocket_connect

from workbench.ui.server import Request

Connect = Callable[[str], Awaitable[WebSocketClientConnection]]
VISITOR = {"kernel_id": "mine", "payload": '{"QUERY_STRING": "?s=lesson"}'}


@pytest.fixture(autouse=True)
def _empty(monkeypatch):
    monkeypatch.setattr("voila.request_info_handler.RequestInfoSocketHandler._waiters", {})
    monkeypatch.setattr("voila.request_info_handler.RequestInfoSocketHandler._cache", {})


def waiting(story: Callable[[Connect, set[str]], Awaitable[None]]) -> None:
    """Play `story`, which connects as kernels do, of which some live."""

    async def played() -> None:
        living = {"mine", "other"}
        served = Application([(r"/query/(.*)", Request, {"known": lambda kernel_id: kernel_id in living})])
        socket, port = bind_unused_port()
        server = HTTPServer(served)
        server.add_socket(socket)

        async def connect(kernel_id: str) -> WebSocketClientConnection:
            connection = await websocket_connect(f"ws://127.0.0.1:{port}/query/{kernel_id}")
            await asyncio.sleep(0.05)
            return connection

        try:
            await story(connect, living)
        finally:
            server.stop()
            await server.close_all_connections()

    asyncio.run(asyncio.wait_for(played(), 20))


def test_a_kernel_is_told_of_its_visitor():
    async def story(connect, _living):
        kernel = await connect("mine")
        Request.send_updates(VISITOR)
        assert await kernel.read_message() == VISITOR["payload"]

    waiting(story)


def test_a_visitor_who_came_first_is_told_of():
    async def story(connect, _living):
        Request.send_updates(VISITOR)
        assert await (await connect("mine")).read_message() == VISITOR["payload"]

    waiting(story)


def test_a_kernel_whose_connection_broke_hears_of_its_visitor_when_it_is_back():
    async def story(connect, _living):
        kernel = await connect("mine")
        handler = Request._waiters["mine"]
        handler.ws_connection.client_terminated = True  # gone, and the server was not told yet
        kernel.close()
        Request.send_updates(VISITOR)
        await asyncio.sleep(0.05)
        assert "mine" not in Request._waiters
        assert await (await connect("mine")).read_message() == VISITOR["payload"]

    waiting(story)


def test_what_was_told_is_kept_as_long_as_the_kernel_lives():
    async def story(connect, living):
        mine, other = await connect("mine"), await connect("other")
        Request.send_updates(VISITOR)
        await mine.read_message()
        living.remove("mine")
        Request.send_updates({"kernel_id": "other", "payload": "{}"})
        await other.read_message()
        assert set(Request._cache) == {"other"}

    waiting(story)


def test_only_a_kernel_that_lives_waits_and_each_once():
    async def story(connect, _living):
        first = await connect("mine")
        for refused in (await connect("mine"), await connect("nobody")):
            assert await refused.read_message() is None and refused.close_code == 1008
        Request.send_updates(VISITOR)
        assert await first.read_message() == VISITOR["payload"]

    waiting(story)
