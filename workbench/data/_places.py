"""Where data are looked for: the folder that the person named, then the workbench's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import WorkbenchError
from ..core.home import home

VARIABLE = "WORKBENCH_DATA"


def set_root(path: str | Path | None) -> None:
    """Look for data in this folder first, here and in processes that start from now on; None for nowhere else.

    The same as the environment variable WORKBENCH_DATA. WorkbenchError when it is not a folder. The workbench never
    writes there.
    """
    if path is None:
        os.environ.pop(VARIABLE, None)
        return
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise WorkbenchError(f"The data folder must be a folder that is there; {path} is not.")
    os.environ[VARIABLE] = str(folder)


def root() -> Path | None:
    """The folder that the person named, or None."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else None


def own(name: str) -> Path:
    """Where the workbench puts what it downloads for dataset `name`."""
    return home() / "data" / name


def bases(name: str) -> Iterator[Path]:
    """Folders in which the files of dataset `name` may lie, the first one first.

    WorkbenchError when the person named something that is no folder: nothing is downloaded in its place.
    """
    named = root()
    if named is not None:
        if not named.is_dir():
            what = "a file" if named.exists() else "not there"
            raise WorkbenchError(f"{VARIABLE} must name a folder of data; {named} is {what}.")
        yield from (named / name, named)
    yield own(name)


def stamp(paths: list[Path]) -> list[list[object]]:
    """What tells these files from changed ones: path, bytes and time of the last change."""
    return [[str(path), (about := path.stat()).st_size, about.st_mtime_ns] for path in paths]
