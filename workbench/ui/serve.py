"""The command line that serves the app: Voila with safe settings, or JupyterLab on the same notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..core.errors import WorkbenchError
from ..core.home import home

LOCAL = ("127.0.0.1", "localhost", "::1")
TITLE = "Compression Workbench"
SOURCE = "from workbench.ui.app import show\n\nshow()"
SETTINGS: dict[str, dict[str, Any]] = {
    "VoilaConfiguration": {
        "theme": "light",
        "show_margins": False,
        "strip_sources": True,
        "show_tracebacks": False,
        "allow_template_override": "NO",
        "allow_theme_override": "NOTEBOOK",
        "file_allowlist": ["(?!).*"],
        "extension_denylist": ["jupyterlab-plotly"],
    },
    "MappingKernelManager": {"cull_interval": 60, "cull_idle_timeout": 600, "cull_connected": False},
    "KernelRestarter": {"restart_limit": 0},
    "VoilaExecutor": {"iopub_timeout": 120},
}
"""Visitors get no file and no source; a kernel that nobody is connected to ends after ten minutes. plotly's
extension would send every page the drawing library a second time. A kernel that died is not started again: the new one
would know nothing of the page, which has to be loaded anew anyway. On a busy machine what a cell shows may come long
after its end; by itself Voila waits 4 s for it, and then sends a page without the app."""
SEATS, MOST_SEATS = 16, 200
TOKEN_CHARS = 8
LAB = Path(__file__).with_name("lab")
"""Settings for JupyterLab: it asks no newcomer about news, which it could not fetch offline."""


def notebook() -> Path:
    """The app's notebook: the one beside the package, else one of the same cell in the workbench's own folder."""
    shipped = Path(__file__).parents[2] / "notebooks" / "app.ipynb"
    if shipped.is_file():
        return shipped
    made = home() / "app" / "app.ipynb"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(one_cell(), encoding="utf-8")
    return made


def one_cell() -> str:
    """A notebook of one import and one call, as JSON."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "app",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": SOURCE,
    }
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "title": TITLE}
    return json.dumps({"cells": [cell], "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def command(
    port: int = 8866,
    *,
    lab: bool = False,
    token: str = "",
    ip: str = "127.0.0.1",
    preheat: int | None = None,
    classroom: int = 0,
    browser: bool = True,
) -> list[str]:
    """What to run, with `environment(token)`.

    preheat: how many kernels wait, fully loaded, for the next visitors (Voila only); None: one, and in a class all.
    classroom: how many pages at most, which share the cores and measure in turns; 0: `SEATS`, or as many as wait.
    WorkbenchError when the app would be open to other machines without a token that takes time to guess.
    """
    if not 0 < port < 65536:
        raise WorkbenchError(f"The port must be an integer in [1, 65535]; got {port}.")
    if not 0 <= classroom <= MOST_SEATS:
        raise WorkbenchError(f"The number of places in the class must be in [0, {MOST_SEATS}]; got {classroom}.")
    ready = (classroom or 1) if preheat is None else preheat
    most = classroom or 64
    if not 0 <= ready <= most:
        raise WorkbenchError(f"The number of preheated kernels must be in [0, {most}]; got {ready}.")
    if ip not in LOCAL and len(token) < TOKEN_CHARS:
        raise WorkbenchError(
            f"Serving to other machines ({ip}) needs a token of {TOKEN_CHARS} characters or more: every visitor starts "
            "a Python process."
        )
    if lab:
        return _lab(port, ip, browser)
    words = _voila(port, ip, browser)
    words += [f"--Room.seats={classroom or max(SEATS, ready)}"]
    if classroom:
        cores = os.cpu_count() or 1
        threads = max(1, cores // classroom)
        words += [f"--Server.threads={threads}", f"--Server.turns={cores // threads}"]
    words += ["--preheat_kernel=True", "--pool_size=0", f"--Room.ready={ready}"] if ready else []
    return [*words, "--Voila.auto_token=True"] if token else words


def environment(token: str = "") -> dict[str, str]:
    """What the command needs to know; the token is not on the line that everybody sees who lists the processes."""
    patient = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    quiet = os.pathsep.join(filter(None, (str(LAB), os.environ.get("JUPYTER_CONFIG_PATH", ""))))
    return patient | {"JUPYTER_CONFIG_PATH": quiet} | ({"JUPYTER_TOKEN": token} if token else {})


def serve(
    port: int = 8866,
    *,
    lab: bool = False,
    token: str = "",
    ip: str = "127.0.0.1",
    preheat: int | None = None,
    classroom: int = 0,
    browser: bool = True,
) -> int:
    """Run what `command` gives until it ends; its exit status."""
    words = command(port, lab=lab, token=token, ip=ip, preheat=preheat, classroom=classroom, browser=browser)
    os.environ.update(environment(token))
    if os.name == "posix":  # take this process's place, so that who stops it stops the server
        os.chdir(notebook().parent)
        os.execv(words[0], words)  # noqa: S606 - our own words
    return subprocess.run(words, cwd=notebook().parent, check=False).returncode  # noqa: S603 - our own words


def _voila(port: int, ip: str, browser: bool) -> list[str]:
    words = [sys.executable, "-m", "workbench.ui.server", str(notebook()), f"--port={port}", f"--Voila.ip={ip}"]
    for owner, group in SETTINGS.items():
        for name, value in group.items():
            words += [f"--{owner}.{name}", *(value if isinstance(value, list) else [str(value)])]
    return words if browser else [*words, "--no-browser"]


def _lab(port: int, ip: str, browser: bool) -> list[str]:
    words = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        str(notebook()),
        f"--ServerApp.port={port}",
        f"--ServerApp.ip={ip}",
    ]
    words += ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    return words if browser else [*words, "--no-browser"]
