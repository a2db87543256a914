"""Voila with a limit to the number of its kernels and a few doors closed: `python -m workbench.ui.server NOTEBOOK`."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import traitlets as t
from tornado import web
from tornado.httputil import HTTPHeaders
from tornado.ioloop import PeriodicCallback
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.tornado.handler import TornadoVoilaHandler

from ..experiment.turns import PLACES
from .nursery import nursery_here
from .room import Room, RoomFullError
from .serve import LOCAL
from .wire import Wire

HERE = Path(__file__).parent
TEMPLATES = [str(HERE / "template"), str(HERE / "browser")]
"""Where Voila finds our page before its own, and that page our style sheet."""
AGAIN_S = 15
FULL = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Compression Workbench: the room is full</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{again}">
<style>body {{ font: 18px/1.5 system-ui, sans-serif; max-width: 36em; margin: 15vh auto; padding: 0 1em;
color-scheme: light dark }}</style>
<h1>The room is full</h1>
<p role="status">All {seats} places of this machine are taken. A place is free again about a minute after somebody
closes their page. This page tries again every {again} seconds; you need not do anything, and your link stays.</p>
<p>For the teacher: <code>workbench app --classroom {more}</code> makes more places, if memory suffices.</p></html>"""


class Door(TornadoVoilaHandler):
    """The page. Every visit takes a seat, so that only a person's visit is one."""

    @web.authenticated
    async def get(self, path: str | None = None) -> None:
        if why := no_person(self.request.headers):
            raise web.HTTPError(403, why)
        _ = self.xsrf_token  # its cookie goes with the page, which cannot end its kernel without when it is closed
        try:
            await super().get(path)
        except RoomFullError:
            await self._get_when_ready(path)

    async def _get_when_ready(self, path: str | None) -> None:
        """The places may be taken by kernels that are only being made ready for visitors."""
        try:
            if await self.kernel_manager.one_is_ready():
                await super().get(path)
                return
        except RoomFullError:
            pass
        self._say_full()

    def _say_full(self) -> None:
        seats = self.kernel_manager.seats
        self.set_status(503)
        self.set_header("Retry-After", str(AGAIN_S))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(FULL.format(seats=escape(str(seats)), more=seats + 10, again=AGAIN_S))


class Request(RequestInfoSocketHandler):
    """Where a kernel that is ready waits for its visitor: only such a kernel, and once.

    Voila's own handler lets anybody wait in place of a kernel, forgets another one when they leave, and loses the
    visitor of a kernel whose connection breaks just then: here the kernel that connects anew is told again.
    """

    def initialize(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._kernel_id = ""

    def open(self, kernel_id: str) -> None:
        if not self._known(kernel_id) or kernel_id in self._waiters:
            self.close(1008)
            return
        self._kernel_id = kernel_id
        super().open(kernel_id)

    def on_close(self) -> None:
        if self._waiters.get(self._kernel_id) is self:
            del self._waiters[self._kernel_id]

    def on_message(self, message: str | bytes) -> None:
        """A kernel says nothing here."""

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Tell who has come; what kernels were told that are gone is forgotten."""
        for kernel_id in [k for k in self._cache if not self._known(k)]:
            del self._cache[kernel_id]
        self._cache[self._kernel_id] = message
        return super().write_message(message, binary)


class Server(Voila):
    """Voila on one notebook, in a Room."""

    threads = t.Int(0, help="threads of torch in every kernel; 0: what the app takes by itself").tag(config=True)
    turns = t.Int(0, help="pages that compute at once, others waiting for their turn; 0: all").tag(config=True)
    tornado_settings: dict[str, Any]  # only declared, as the next: Voila's
    template_paths: list[str]

    @property
    def notebook_path_inside(self) -> str:
        """The notebook's path as Voila's pool calls it."""
        return os.path.relpath(self.notebook_path, self.root_dir)

    def initialize(self, argv: list[str] | None = None) -> None:
        super().initialize(argv)
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # kernels inherit it; torch reads it once, when it loads
        if self.threads:
            os.environ["OMP_NUM_THREADS"] = str(self.threads)
        if self.turns:
            os.environ[PLACES] = str(self.turns)
        if self.ip not in ("", "0.0.0.0", "::"):  # noqa: S104 - only compared
            os.environ["VOILA_APP_IP"] = f"[{self.ip}]" if ":" in self.ip else self.ip
        if self.ip in LOCAL and not self.token and not self.auto_token:
            # a stranger's site whose name points to this machine is turned away by the name
            self.tornado_settings = {"allow_remote_access": False, **self.tornado_settings}
        self.kernel_websocket_connection_class = Wire
        self.voila_configuration.multi_kernel_manager_class = Room
        self.nursery = nursery_here(self)

    def setup_template_dirs(self) -> None:
        """Voila's, after ours: what is said while the app is loaded is said in our words."""
        super().setup_template_dirs()
        self.template_paths = [*TEMPLATES, *self.template_paths]

    def init_handlers(self) -> list[Any]:
        """Voila's, with the page and the waiting room replaced."""
        return [self._hardened(handler) for handler in super().init_handlers()]

    def listen(self) -> None:
        if self.kernel_manager.ready:
            PeriodicCallback(self.kernel_manager.tend, 1000).start()
        super().listen()

    def stop(self) -> None:
        super().stop()
        if self.nursery:
            self.nursery.close()

    def _hardened(self, handler: tuple[Any, ...]) -> tuple[Any, ...]:
        pattern, cls, *rest = handler
        if cls is TornadoVoilaHandler:
            return pattern, Door, *rest
        if cls is RequestInfoSocketHandler:
            return pattern, Request, {"known": lambda kernel_id: kernel_id in self.kernel_manager}
        return handler


def no_person(headers: HTTPHeaders) -> str:
    """Why a request is not somebody who opens the page, or "": an image's address could start kernels."""
    if headers.get("Sec-Fetch-Dest", "document") != "document":
        return "this page is no part of another one"
    if "prefetch" in headers.get("Sec-Purpose", headers.get("Purpose", "")):
        return "this page is opened when it is looked at"
    return ""


if __name__ == "__main__":
    Server.launch_instance()
