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
}
"""Visitors get no file and no source; a kernel that nobody is connected to ends after ten minutes. plotly's extension
would send every page the drawing library a second time."""


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
    return (
        json.dumps({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, indent=1)
        + "\n"
    )


def command(
    port: int = 8866,
    *,
    lab: bool = False,
    token: str = "",
    ip: str = "127.0.0.1",
    preheat: int = 0,
    browser: bool = True,
) -> list[str]:
    """What to run. preheat: how many kernels wait, fully loaded, for the next visitors (Voila only).

    WorkbenchError when the app would be open to other machines without a token.
    """
    if not 0 < port < 65536:
        raise WorkbenchError(f"The port must be an integer in [1, 65535]; got {port}.")
    if not 0 <= preheat <= 64:
        raise WorkbenchError(f"The number of preheated kernels must be in [0, 64]; got {preheat}.")
    if ip not in LOCAL and not token:
        raise WorkbenchError(f"Serving to other machines ({ip}) needs a token: every visitor starts a Python process.")
    return _lab(port, token, ip, browser) if lab else _voila(port, token, ip, preheat, browser)


def serve(
    port: int = 8866,
    *,
    lab: bool = False,
    token: str = "",
    ip: str = "127.0.0.1",
    preheat: int = 0,
    browser: bool = True,
) -> int:
    """Run what `command` gives until it ends; its exit status."""
    words = command(port, lab=lab, token=token, ip=ip, preheat=preheat, browser=browser)
    if os.name == "posix":  # take this process's place, so that who stops it stops the server
        os.chdir(notebook().parent)
        os.execv(words[0], words)  # noqa: S606 - our own words
    return subprocess.run(words, cwd=notebook().parent, check=False).returncode  # noqa: S603 - our own words


def _voila(port: int, token: str, ip: str, preheat: int, browser: bool) -> list[str]:
    words = [sys.executable, "-m", "voila", str(notebook()), f"--port={port}", f"--Voila.ip={ip}"]
    for owner, group in SETTINGS.items():
        for name, value in group.items():
            words += [f"--{owner}.{name}", *(value if isinstance(value, list) else [str(value)])]
    words += [f"--token={token}"] if token else []
    words += ["--preheat_kernel=True", f"--pool_size={preheat}"] if preheat else []
    return words if browser else [*words, "--no-browser"]


def _lab(port: int, token: str, ip: str, browser: bool) -> list[str]:
    words = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        str(notebook()),
        f"--ServerApp.port={port}",
        f"--ServerApp.ip={ip}",
    ]
    words += [f"--IdentityProvider.token={token}"] if token else []
    words += ["--LabApp.news_url=None"]  # it would ask every newcomer, and fail offline
    words += ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    return words if browser else [*words, "--no-browser"]
