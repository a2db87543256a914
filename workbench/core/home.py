"""Where the workbench keeps what it makes: measured runs, decoded data, downloads."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The workbench's own folder: WORKBENCH_HOME, or the platform's cache folder."""
    chosen = os.environ.get("WORKBENCH_HOME")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("compression-workbench", appauthor=False))
