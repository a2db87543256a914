"""A server to visit, and a visit that counts what goes over the wire and keeps what goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

import psutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Server:
    """A running `workbench app`, on its own notebook or on another one; lab: in JupyterLab, its `token` as below."""

    token = "for-the-tests"

    def __init__(
        self, home: str, *, preheat: int = 0, book: Path | None = None, lab: bool = False, port: int = 0
    ) -> None:
        from workbench.ui.serve import command, environment, notebook

        self.port, own = port or free_port(), notebook()
        self.url = f"http://127.0.0.1:{self.port}/"
        words = command(self.port, lab=lab, preheat=preheat, browser=False)
        settings = dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"), os.path.join(home, "jupyter"))
        self.log = open(os.path.join(home, "server.log"), "w+")  # noqa: SIM115 - open as long as the server runs
        self.process = subprocess.Popen(
            [str(book) if book and word == str(own) else word for word in words],
            cwd=(book or own).parent,
            env={**os.environ, "WORKBENCH_HOME": home} | (settings | environment(self.token) if lab else {}),
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        until = time.monotonic() + 60
        while not answers(self.url + "voila/static/none") and time.monotonic() < until:
            time.sleep(0.1)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


KERNEL = "() => JSON.parse(document.getElementById('jupyter-config-data').text).kernelId"
SAID = """() => [...document.querySelectorAll(
  '.wb-opening, .wb-status, .wb-error, .wb-banner, .wb-tile, .wb-lower .mod-active, .wb-lower h2')]
  .filter((part) => part.checkVisibility()).map((part) => `${part.className}: ${part.textContent.trim()}`)"""


def processes_of(kernel: str) -> list[psutil.Process]:
    """Those that are listed with this kernel's name, of all that was started here."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if kernel in " ".join(process.cmdline()):
                found.append(process)
    return found


def leave(page) -> None:
    """Close a page and end its kernel, which the server would keep for some minutes."""
    kernel = page.evaluate(KERNEL)
    page.context.close()
    for process in processes_of(kernel):
        with suppress(psutil.NoSuchProcess):
            process.kill()


class Visit:
    """A page that counts what goes over its websockets and keeps what goes wrong."""

    all: ClassVar[list[Visit]] = []
    """Every visit of this run, closed ones too."""

    def __init__(self, browser, url: str, width: int = 1280, scripts=()) -> None:
        """scripts: functions that the page runs before anything else."""
        self.context = browser.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True)
        self.page = self.context.new_page()
        self.bytes, self.errors, self.requests, self.console = 0, [], [], []
        self.all.append(self)
        self.page.on("console", self._note)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(20_000)
        for script in scripts:
            self.page.add_init_script(f"({script})()")
        self.page.goto(url, timeout=120_000)

    def close(self) -> None:
        leave(self.page)

    def _note(self, said) -> None:
        if said.type == "error":
            self.console.append(said.text[:300])

    def _count(self, payload) -> None:
        self.bytes += len(payload)

    def measured(self, patience_ms: int | None = None) -> Visit:
        """Itself once a number is measured and nothing is left to do; patience_ms is for all that comes after too."""
        if patience_ms:
            self.page.set_default_timeout(patience_ms)
        with self.in_vain("No number was measured"):
            self.page.locator(".wb-tile.wb-measured").first.wait_for()
        self.ready()
        return self

    def ready(self) -> None:
        """Wait until nothing is being done."""
        with self.in_vain("The page did not become ready"):
            self.page.locator(".wb-status", has_text="Ready:").wait_for()

    @contextmanager
    def in_vain(self, what: str) -> Iterator[None]:
        """A wait that ends in vain says how the page is."""
        from playwright.sync_api import TimeoutError as TooLong

        try:
            yield
        except TooLong as error:
            raise AssertionError(f"{what}.\n{self.condition()}") from error

    def condition(self) -> str:
        """What the page says, what was thrown in it, and how its kernel is."""
        lines = [self.page.url[:200]]
        try:
            lines += self.page.evaluate(SAID)
            kernel = processes_of(self.page.evaluate(KERNEL))
        except Exception as error:  # whatever state the page is in, what is known of it is worth more
            return "\n".join([*lines, f"The page cannot be asked: {error}", *self.errors, *self.console[-10:]])
        for process in kernel:
            with suppress(psutil.NoSuchProcess):
                used = sum(process.cpu_times()[:2])
                lines.append(f"kernel {process.pid}: {process.status()}, {used:.1f} s of processor time")
        lines += [] if kernel else ["There is no process of its kernel."]
        return "\n".join([*lines, f"The machine's load: {os.getloadavg()}", *self.errors, *self.console[-10:]])

    def expect(self, what):
        """An assertion that waits: the page may be drawn a moment after everything is done."""
        from playwright.sync_api import expect

        expect.set_options(timeout=20_000)
        return expect(what)

    def readout(self, name: str) -> str:
        return self.field(name).input_value()

    def field(self, name: str):
        """The one on the page: another view may have a setting of the same name."""
        return self.page.get_by_label(f"{name}, type a value").locator("visible=true")

    def slider(self, name: str):
        return self.page.locator(f".noUi-handle[aria-label='{name}']")

    def type(self, name: str, value: object) -> None:
        """Type a value into the field beside a slider."""
        box = self.field(name)
        box.click()
        box.press("Control+a")
        self.page.keyboard.type(str(value))
        self.page.keyboard.press("Enter")

    def tile(self, i: int = 0):
        return self.page.locator(".wb-tile").nth(i)

    def look(self, name: str) -> None:
        """Open a view. A page that moves between press and release takes it for no click: once more."""
        button = self.page.get_by_role("button", name=name, exact=True)
        for _ in range(2):
            button.click()
            with suppress(AssertionError):
                return self.expect(button).to_have_class(re.compile("mod-active"))
        raise AssertionError(f"The view {name!r} did not open.\n{self.condition()}")

    def pick(self, label: str, value: str) -> None:
        self.page.get_by_label(label).select_option(value)
