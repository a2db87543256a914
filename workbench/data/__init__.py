"""One file, one dataset: `data/digits.py` is `digits`. A file that starts with _ is shared machinery.

A dataset's file holds `INFO` (a DatasetInfo), `load(argument, progress) -> Dataset` and, where the data may be absent,
`missing() -> str`, which says why; `argument` is what follows the colon in the name that was asked for, so that
`folder.py` can serve `folder:PATH`.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections import defaultdict
from functools import cache
from types import ModuleType

from ..core.errors import WorkbenchError
from ..core.names import listed
from ..core.progress import Progress
from ._dataset import SPLITS, Dataset, DatasetInfo
from ._own import PREFIX, adopt, info_of, own_dataset, own_datasets
from ._picture import PICTURE_BYTES, PICTURE_TYPES, picture, picture_too_large
from ._places import root, set_root

__all__ = [
    "PICTURE_BYTES",
    "PICTURE_TYPES",
    "SPLITS",
    "Dataset",
    "DatasetInfo",
    "adopt",
    "datasets",
    "info_of",
    "load_dataset",
    "own_datasets",
    "picture",
    "picture_too_large",
    "set_root",
]
_locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
_loaded: dict[tuple[str, str], Dataset] = {}


def datasets() -> dict[str, DatasetInfo]:
    """Every dataset by name, in alphabetical order, and after them those that were adopted in this process."""
    return {**_installed(), **{name: info_of(data) for name, data in own_datasets().items()}}


@cache
def _installed() -> dict[str, DatasetInfo]:
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {name: _file(name).INFO for name in names}


def load_dataset(name: str, progress: Progress | None = None) -> Dataset:
    """The dataset, loaded once per process and data folder; WorkbenchError lists what there is.

    What is not on this machine is downloaded when the dataset's source allows. `own/NAME` is what was adopted under
    that name in this process. Raises Cancelled.
    """
    if name.startswith(PREFIX):
        return own_dataset(name)
    file, argument = _parts(name)
    key = (name, str(root()))
    with _locks[key]:
        if key not in _loaded:
            dataset = _file(file).load(argument, progress or Progress())
            assert isinstance(dataset, Dataset)
            _loaded[key] = dataset
        return _loaded[key]


def _parts(name: str) -> tuple[str, str]:
    file, colon, argument = name.partition(":")
    if file not in datasets():
        raise WorkbenchError(f"There is no dataset {name!r}; there are {listed(map(_spelling, datasets()), name)}.")
    if bool(argument) != bool(datasets()[file].argument) or bool(colon) != bool(argument):
        raise WorkbenchError(f"Dataset {name!r} is not spelled like that; write {_spelling(file)}.")
    return file, argument


def _file(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def _spelling(name: str) -> str:
    argument = datasets()[name].argument
    return f"{name}:{argument}" if argument else name
