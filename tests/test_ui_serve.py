"""The command line that serves the app, and the notebook that it serves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from workbench.core.errors import WorkbenchError
from workbench.ui import serve

ROOT = Path(__file__).parents[1]


def option(words: list[str], name: str) -> str:
    joined = dict(word.split("=", 1) for word in words if "=" in word)
    return joined.get(name) or words[words.index(name) + 1]


def test_by_default_only_this_machine_is_served():
    words = serve.command(browser=False)
    assert words[:3] == [sys.executable, "-m", "workbench.ui.server"]
    assert option(words, "--Voila.ip") == "127.0.0.1" and "--no-browser" in words


def test_visitors_get_no_source_no_traceback_no_file():
    words = serve.command()
    assert option(words, "--VoilaConfiguration.strip_sources") == "True"
    assert option(words, "--VoilaConfiguration.show_tracebacks") == "False"
    assert option(words, "--VoilaConfiguration.allow_template_override") == "NO"
    assert option(words, "--VoilaConfiguration.allow_theme_override") == "NOTEBOOK"
    assert option(words, "--MappingKernelManager.cull_idle_timeout") == "600"


def test_the_shipped_configuration_is_the_same():
    assert json.loads((ROOT / "notebooks" / "voila.json").read_text()) == serve.SETTINGS


def test_the_shipped_notebook_is_one_import_and_one_call():
    text = (ROOT / "notebooks" / "app.ipynb").read_text()
    assert text == serve.one_cell()
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    assert [cell.source.split() for cell in book.cells] == [
        ["from", "workbench.ui.app", "import", "show", "show()"],
    ]


def test_without_the_shipped_notebook_one_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "__file__", str(tmp_path / "site-packages" / "workbench" / "ui" / "serve.py"))
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    made = serve.notebook()
    assert made.is_relative_to(tmp_path / "home") and made.read_text() == serve.one_cell()
    assert str(made) in serve.command()


def test_other_machines_need_a_token():
    for token in ("", "short"):
        with pytest.raises(WorkbenchError, match=r"\(0.0.0.0\) needs a token of 8 characters or more"):
            serve.command(ip="0.0.0.0", token=token)
    assert "--Voila.auto_token=True" in serve.command(ip="0.0.0.0", token="long enough")


def test_the_token_is_not_on_the_command_line():
    for lab in (False, True):
        assert not any("long enough" in word for word in serve.command(ip="0.0.0.0", token="long enough", lab=lab))
    assert serve.environment("long enough")["JUPYTER_TOKEN"] == "long enough"
    assert "JUPYTER_TOKEN" not in serve.environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 0), ("port", 70000), ("preheat", -1), ("preheat", 1000), ("classroom", -1), ("classroom", 999)],
)
def test_what_makes_no_sense_is_refused(name, value):
    with pytest.raises(WorkbenchError, match=rf"got {value}\.$"):
        serve.command(**{name: value})


def test_preheat_and_lab():
    assert {"--preheat_kernel=True", "--Room.ready=3", "--Room.seats=16"} <= set(serve.command(preheat=3))
    assert "--Room.ready=1" in serve.command()
    assert not any("preheat" in word for word in serve.command(preheat=0))
    words = serve.command(lab=True, token="abc", port=9999)
    assert words[1:4] == ["-m", "jupyter", "lab"] and "--ServerApp.port=9999" in words


def test_a_class_has_its_places_all_ready_and_shares_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    large, small = serve.command(classroom=30), serve.command(classroom=4, preheat=2)
    assert {"--Room.seats=30", "--Room.ready=30", "--Server.threads=1", "--Server.turns=16"} <= set(large)
    assert {"--Room.seats=4", "--Room.ready=2", "--Server.threads=4", "--Server.turns=4"} <= set(small)
    with pytest.raises(WorkbenchError, match=r"in \[0, 4\]; got 5"):
        serve.command(classroom=4, preheat=5)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the server is a child process")
def test_serving_takes_the_place_of_this_process():
    code = (
        "import sys; from workbench.ui import serve;"
        "serve.command = lambda port, **_: [sys.executable, '-c', f'raise SystemExit({port})'];"
        "serve.serve(7)"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    assert child.wait(60) == 7


def reached(port: int) -> bool:
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


def until(state, port: int, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while reached(port) != state and time.monotonic() < end:
        time.sleep(0.1)
    return reached(port) == state


def test_stopping_the_command_stops_the_server():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    words = [sys.executable, "-m", "workbench", "app", "--no-browser", "--preheat", "0", "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until(True, port)
        process.terminate()
        assert until(False, port, 60)
    finally:
        process.kill()
        process.wait()
