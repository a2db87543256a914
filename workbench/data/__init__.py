"""One file, one dataset: `data/digits.py` is `digits`. A file that starts with _ is shared machinery.

A dataset's file holds `INFO` (a DatasetInfo) and `load(argument) -> Dataset`; `argument` is what follows the colon in
the name that was asked for, so that a file `folder.py` can serve `folder:PATH`.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from functools import cache
from types import ModuleType

from ..core.errors import WorkbenchError
from ._dataset import SPLITS, Dataset, DatasetInfo

__all__ = ["SPLITS", "Dataset", "DatasetInfo", "datasets", "load_dataset"]
_lock = threading.Lock()


@cache
def datasets() -> dict[str, DatasetInfo]:
    """Every dataset by name, in alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {name: _file(name).INFO for name in names}


def load_dataset(name: str) -> Dataset:
    """The dataset, loaded once per process; WorkbenchError lists what there is."""
    with _lock:
        return _load(name)


@cache
def _load(name: str) -> Dataset:
    file, colon, argument = name.partition(":")
    if file not in datasets():
        raise WorkbenchError(f"There is no dataset {name!r}; there are {', '.join(map(_spelling, datasets()))}.")
    if bool(argument) != bool(datasets()[file].argument) or bool(colon) != bool(argument):
        raise WorkbenchError(f"Dataset {name!r} is not spelled like that; write {_spelling(file)}.")
    dataset = _file(file).load(argument)
    assert isinstance(dataset, Dataset)
    return dataset


def _file(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def _spelling(name: str) -> str:
    argument = datasets()[name].argument
    return f"{name}:{argument}" if argument else name
