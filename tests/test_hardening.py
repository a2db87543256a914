"""What a visitor can reach, tried as an attacker would: over HTTP, over the websocket, through every control.

Two pages share one server: whatever the attacker does, the other page has to go on.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from visitor import Visitor, free_port, get, opened, packed
from websockets.exceptions import ConnectionClosed, InvalidStatus

from workbench.ui.serve import command, environment, notebook

pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(os.name != "posix", reason="kills by signals")]

NOBODY = "00000000-0000-0000-0000-000000000000"
TOKEN = "a token of a class"
SECRET = "root:"


class Served:
    """A running `workbench app` with its own home."""

    def __init__(self, home: Path, token: str = "", **options) -> None:
        self.port, self.home = free_port(), home
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(home / "server.log", "w+")  # noqa: SIM115 - open as long as the server runs
        self.process = subprocess.Popen(
            command(self.port, token=token, browser=False, **options),
            cwd=notebook().parent,
            env={**os.environ, **environment(token), "WORKBENCH_HOME": str(home), "OMP_NUM_THREADS": "1"},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        end = time.monotonic() + 60
        while not self._answers() and time.monotonic() < end:
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return get(self.url, "/voila/static/none", seconds=2)[0] > 0
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()

    def said(self) -> str:
        return Path(self.log.name).read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("home"), classroom=2)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def other(served):
    """The page of somebody else, which has to live; they come while the kernels for visitors are only being started."""
    page = Visitor(served.url)
    yield page
    page.close()


@pytest.fixture(scope="module")
def page(served, other):
    """The attacker's own page."""
    made = Visitor(served.url)
    yield made
    made.close()


@pytest.fixture
def wire(served, page):
    """A second connection of the attacker's to their own kernel."""
    made = opened(served.url, f"/api/kernels/{page.kernel}/channels?session_id={uuid4().hex}")
    yield made
    made.close()


def refused(wire, seconds: float = 20) -> bool:
    """Whether the server closes the connection."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            wire.recv(timeout=max(0.1, end - time.monotonic()))
    except ConnectionClosed:
        return True
    except TimeoutError:
        pass
    return False


UP = "/".join([".."] * 10)
ENCODED = "%2e%2e%2f" * 10
PATHS = [
    f"/{root}/{up}etc/passwd"
    for root in ("voila/static", "voila/files", "voila/templates/lab/static", "voila/labextensions", "voila/api/themes")
    for up in (f"{UP}/", ENCODED, "/", "..%5c..%5c")
]
PATHS += [
    "/voila/files/app.ipynb",
    "/voila/files/APP.IPYNB",
    "/voila/files/voila.json",
    "/voila/files/..%2fpyproject.toml",
    "/voila/files/.git/config",
    "/voila/templates/../static/../../../etc/passwd",
    "/voila/templates/x",
    f"/api/kernels/{NOBODY}",
    f"/api/kernels/{NOBODY}/channels",
    "/voila/static/",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_to_a_file(served, path):
    status, _, body = get(served.url, path)
    assert status in (400, 403, 404, 500), status
    assert SECRET not in body and "nbformat" not in body and "Traceback" not in body and "site-packages" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/app.ipynb",
        "//evil.example/",
        "/api/kernels",
        "/api/contents",
        "/api/sessions",
        "/api/terminals",
        "/voila/render/app.ipynb",
        "/voila/tree",
        f"/voila/execution/{NOBODY}",
        "/metrics",
        "/lab",
        "/api/kernelspecs",
    ],
)
def test_what_a_jupyter_server_offers_is_not_there(served, path):
    status, headers, _ = get(served.url, path)
    assert status == 302 and headers["Location"].startswith("/voila/files/")  # on this server, and refused there
    assert get(served.url, headers["Location"])[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_the_page_is_only_read(served, method):
    assert get(served.url, "/", method=method, body=b"")[0] in (403, 405)


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "evil.example"),
        ("Sec-Fetch-Dest", "image"),
        ("Sec-Fetch-Dest", "iframe"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Purpose", "prefetch;prerender"),
    ],
)
def test_another_site_starts_no_kernel(served, header):
    assert get(served.url, "/", headers=[header])[0] == 403


def test_another_site_gets_no_connection(served, page):
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}"):
        with pytest.raises(InvalidStatus):
            opened(served.url, f"/api/kernels/{page.kernel}/channels?session_id=x", headers=[("Origin", origin)])


def test_the_page_says_nothing_that_it_need_not(page):
    assert "from workbench.ui.app" not in page.html and "/work" not in page.html and "site-packages" not in page.html


def test_the_page_is_ours_from_its_first_line_and_asks_nothing_of_others(page):
    assert "<title>Compression Workbench</title>" in page.html and "This takes some seconds" in page.html
    assert re.findall(r"""<(?:link|script|img)[^>]*(?:src|href)=["'](?:https?:)?//[^"']*""", page.html) == []


FORBIDDEN = ["execute_request", "complete_request", "inspect_request", "history_request", "is_complete_request"]
FORBIDDEN += ["debug_request", "interrupt_request", "input_reply", "create_subshell_request", "usage_request"]


def test_nobody_runs_code(page, other, tmp_path):
    mark = tmp_path / "mark"
    content = {"code": f"open({str(mark)!r}, 'w').write('x')", "silent": False, "user_expressions": {"a": "1"}}
    before = len(page.heard)
    for kind in FORBIDDEN:
        for channel in ("shell", "control"):
            page.send(kind, content, channel=channel)
    assert page.alive() and not mark.exists()
    assert {header["msg_type"] for header, _, _ in page.heard[before:]} <= {"status", "comm_msg"}


def test_no_code_behind_an_allowed_name(page, wire, tmp_path):
    """The server reads the kind of a message, and so does the kernel: both have to read the same."""
    mark = tmp_path / "mark"
    head = f'"session":"{page.session}","username":"","date":"2026-01-01T00:00:00Z","version":"5.3","msg_id":"1"'
    twice = '{"msg_type":"comm_msg","msg_type":"execute_request",' + head + "}"
    other_way = '{"msg_type":"execute_request","msg_type":"comm_msg",' + head + "}"
    content = f'{{"code":"open({str(mark)!r}, \'w\')","silent":false}}'.encode()
    for header in (twice, other_way):
        parts = [b"shell", header.encode(), b"{}", b"{}", content]
        at = [8 * (len(parts) + 2)]
        for part in parts:
            at.append(at[-1] + len(part))
        wire.send(b"".join([n.to_bytes(8, "little") for n in (len(at), *at)] + parts))
    assert page.alive() and not mark.exists()


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


HEAD = {"msg_id": "1", "session": "x", "username": "", "date": "2026-01-01T00:00:00Z", "version": "5.3"}
DEEP = b"[" * 200_000
RAW = {
    "2^64 parts": numbers(2**64 - 1),
    "a billion parts": numbers(10**9) + bytes(80),
    "no part": numbers(0),
    "nothing": b"",
    "a few bytes": b"\x01\x02",
    "offsets behind the end": numbers(6, 56, 10**12, 10**12, 10**12, 10**12, 10**12),
    "offsets backwards": numbers(6, 56, 60, 40, 58, 57, 56) + bytes(20),
    "text where bytes belong": '{"header": {"msg_type": "comm_msg"}}',
    "no JSON": numbers(6, 56, 61, 62, 63, 64, 65) + b"shell" + b"xxxx",
    "a nested header": numbers(6, 56, 61, *[61 + len(DEEP) + i for i in range(4)]) + b"shell" + DEEP + b"{}{}",
    "no kind": packed("shell", HEAD, {}),
    "another channel": packed("iopub", {**HEAD, "msg_type": "comm_msg"}, {}),
    "standard input": packed("stdin", {**HEAD, "msg_type": "comm_msg"}, {}),
    "a channel with a slash": packed("../shell", {**HEAD, "msg_type": "comm_msg"}, {}),
    "a header that is a list": packed("shell", [1], {}),
    "too large": bytes(11 << 20),
}


@pytest.mark.parametrize("name", RAW)
def test_a_broken_message_ends_the_connection_and_nothing_else(served, other, wire, name):
    with suppress(ConnectionClosed):  # before all of it is sent
        wire.send(RAW[name])
    assert refused(wire)
    assert other.alive()


@pytest.mark.parametrize(
    "message", [bytes([0x7F, 255, 255, 255]), bytes([255] * 8), bytes(3), "{", "[1]", "null", '"x"']
)
def test_the_older_protocol_is_no_way_around(served, page, other, message):
    wire = opened(served.url, f"/api/kernels/{page.kernel}/channels?session_id=old", protocol=None)
    wire.send(message)
    assert refused(wire) and other.alive()


def test_a_flood_ends_the_connection(page, other, wire):
    message = packed("shell", {**HEAD, "msg_type": "kernel_info_request"}, {})
    with suppress(ConnectionClosed):
        for _ in range(20_000):
            wire.send(message)
    assert refused(wire)
    assert other.alive()


def test_a_page_that_does_not_read_is_not_kept_waiting_for(served, page, other):
    """Every answer is the whole page, some megabytes; what is not read would pile up in the server."""
    wire = opened(served.url, f"/api/kernels/{page.kernel}/channels?session_id={uuid4().hex}", queue=1)
    comm = uuid4().hex
    header = {**HEAD, "msg_type": "comm_open"}
    wire.send(packed("shell", header, {"comm_id": comm, "target_name": "jupyter.widget.control", "data": {}},
                     metadata={"version": "1.0.0"}))  # fmt: skip
    wire.socket.settimeout(60)
    asked = {"comm_id": comm, "data": {"method": "request_states"}}
    for i in range(30):
        wire.send(packed("shell", {**HEAD, "msg_type": "comm_msg", "msg_id": f"ask {i}"}, asked))
    assert page.alive(120) and other.alive()
    end = time.monotonic() + 30
    while "does not read" not in served.said() and time.monotonic() < end:
        time.sleep(0.2)
    assert "does not read" in served.said()
    wire.socket.close()


def test_another_kernel_is_not_found_by_guessing(served):
    with pytest.raises(InvalidStatus):
        opened(served.url, f"/api/kernels/{NOBODY}/channels?session_id=x")
    assert get(served.url, f"/voila/api/shutdown/{NOBODY}", method="POST", body=b"")[0] in (403, 404, 500)
    assert get(served.url, f"/api/kernels/{NOBODY}", method="DELETE")[0] in (403, 404)


def test_nobody_waits_in_place_of_a_kernel(served, page, other):
    for kernel in (NOBODY, "a-b-c-d-e"):
        assert refused(opened(served.url, f"/voila/query/{kernel}", protocol=None))
    mine = opened(served.url, f"/voila/query/{page.kernel}", protocol=None)
    mine.close()
    assert other.alive()


CONTROLS = "@jupyter-widgets/controls"
UPLOAD = {"_model_module": CONTROLS, "_model_module_version": "2.0.0", "_model_name": "FileUploadModel",
          "_view_module": CONTROLS, "_view_module_version": "2.0.0", "_view_name": "FileUploadView"}  # fmt: skip


def test_no_foreign_comm_is_opened(page):
    before, states = len(page.heard), set(page.states)
    ids = {}
    for target in (
        "jupyter.widget",
        "jupyter.widget.version",
        "os",
        "ipyparallel",
        "matplotlib",
        "../x",
        "",
        "anywidget",
    ):
        ids[target] = uuid4().hex
        data = {"state": UPLOAD, "buffer_paths": []}
        content = {"comm_id": ids[target], "target_name": target, "target_module": "os", "data": data}
        page.send("comm_open", content, metadata={"version": "2.1.0"})
    page.send("comm_open", {"no": "id"})
    assert page.alive()
    closed = {content["comm_id"] for header, content, _ in page.heard[before:] if header["msg_type"] == "comm_close"}
    assert set(ids.values()) <= closed and set(page.states) == states


def test_a_slider_is_no_way_beyond_its_knob(page):
    slider = page.find(description="pruning ratio")
    page.update(slider, max=1e9, min=-1e9)
    for value in (5.0, -5.0, 1e9):
        page.update(slider, value=value)
        assert page.until(lambda value=value: ratio_of(page) == min(max(value, 0), 0.99), 60)


def ratio_of(page) -> float:
    """What the recipe has, as the page tells it."""
    told = page.states[page.find(label="Copy as command")]["text"]
    return float(told.split("pruning_ratio=")[1].split()[0].split(",")[0].strip("'\""))


def test_a_menu_is_no_way_to_a_path(page):
    for label, word in (("1. Data", "folder:/etc"), ("2. Network", "/etc/passwd:main"), ("3. Method", "os.system")):
        menu = page.find(label=label)
        page.update(menu, groups=[{"title": "", "options": [{"id": word, "text": word, "off": ""}]}], value=word)
        assert page.alive(60)
        assert page.until(lambda menu=menu, word=word: page.states[menu]["value"] != word)
    assert "to pick here" in page.text()


def picture(size=(8, 8), format="PNG") -> bytes:
    made = io.BytesIO()
    Image.new("1", size).save(made, format)
    return made.getvalue()


NO_PICTURES = {
    "nothing": lambda: b"",
    "no picture": lambda: b"not a picture",
    "a bomb": lambda: picture((20_000, 20_000)),
    "cut short": lambda: picture()[:40],
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n" * 9,
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "another kind": lambda: picture(format="TIFF"),
    "too large": lambda: bytes(9 << 20),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_refused(page, other, name):
    content = NO_PICTURES[name]()
    button = page.find(label="Use a picture of yours")
    page.custom(button, {"kind": "picture"}, [content])
    assert page.alive(60) and other.alive()
    assert page.states[page.find(description="validation image")].get("layout")  # the page is as it was
    assert "Your picture as the network sees it" not in page.text()


JUNK = [None, [], {}, -1, 1e308, 10**30, "x" * 50, True, [[[]]], {"a": 1}, "IPY_MODEL_none", float("nan"), "<script>"]
MOVED = ("Float", "Int", "Checkbox", "Dropdown", "ToggleButtons", "Text", "Any")


def test_no_control_takes_what_makes_no_sense(page, other):
    """Every value that a page may write, of every control, with something that it is not; and tracebacks stay here."""
    before, keep = len(page.heard), page.find(interval_ms=lambda _: True)
    for i, (comm, state) in enumerate(list(page.states.items())):
        if comm == keep or not state["_model_name"].startswith(MOVED) or "Style" in state["_model_name"]:
            continue
        for j, name in enumerate(name for name in ("value", "index", "max", "groups", "tiles") if name in state):
            page.update(comm, **{name: JUNK[(i + 3 * j) % len(JUNK)]})
            page.custom(comm, {"kind": JUNK[(i + j) % len(JUNK)], "key": -1, "typed": JUNK[i % len(JUNK)]})
    assert page.alive(120) and other.alive()
    assert not {header["msg_type"] for header, _, _ in page.heard[before:]} & {"stream", "error", "display_data"}
    assert "Traceback" not in page.text() and "site-packages" not in page.text() and "<script>" not in page.text()


def test_the_room_is_full_and_says_so(served, page, other):
    status, headers, body = get(served.url, "/?s=x")
    assert status == 503 and headers["Retry-After"] == "15"
    assert "The room is full" in body and "All 2 places" in body and 'http-equiv="refresh"' in body
    assert page.alive(60) and other.alive()


def test_the_log_names_nothing_that_was_sent(served):
    """A stranger's words in a log could be taken for the server's own."""
    assert "<script>" not in served.said()
