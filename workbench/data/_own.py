"""Data of the person at the keyboard, known in this process under `own/NAME` once they are adopted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import WorkbenchError
from ..core.names import listed
from ..core.progress import Progress
from ._adopting import Adopting, check_labels, class_names
from ._arrays import NORMALISED, scale_of
from ._dataset import SPLITS, Dataset, DatasetInfo
from ._pixels import Pixels

PREFIX = "own/"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_SEEDS = 2**30
_adopted: dict[str, Dataset] = {}


def adopt(
    data: Any,
    *,
    name: str = "",
    classes: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Dataset:
    """Know `data` as the dataset `own/NAME` in this process; the same name again replaces what it stood for.

    data: a Dataset; a map-style torch dataset of (image, label); a DataLoader, whose dataset is used; a pair
    (images, labels) of tensors or arrays; or a dict or tuple of those for train and test, or train, validation and
    test. Images are uint8, floats in [0, 1], or floats normalised around 0; labels count from 0. Arrays are shared,
    not copied: adopt again after changing them. One source is split 80/10/10 within each class, drawn from `seed`;
    validation is never taken from test. classes: names by label; the dataset's own, else numbers.
    WorkbenchError, in one sentence, for data that cannot be learnt from. Raises Cancelled.
    """
    name = _full_name(name)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < _SEEDS:
        raise WorkbenchError(f"{name}: the seed must be an integer in [0, {_SEEDS - 1}]; got {seed!r:.40}.")
    if isinstance(data, Dataset):
        made = _renamed(data, name, classes)
    else:
        made = Adopting(name, classes, seed, progress or Progress()).dataset(data)
    _adopted[name] = made
    return made


def own_datasets() -> dict[str, Dataset]:
    """Every adopted dataset by its full name, in the order of adoption."""
    return dict(_adopted)


def own_dataset(name: str) -> Dataset:
    """The dataset adopted as `name`; WorkbenchError when there is none in this process."""
    if name not in _adopted:
        known = f"; there are {listed(_adopted, name)}" if _adopted else ""
        raise WorkbenchError(
            f"There is no dataset {name!r} in this process{known}: data of your own are there once "
            "workbench.data.adopt has been given them."
        )
    return _adopted[name]


def info_of(data: Dataset) -> DatasetInfo:
    """The row of the list of datasets for one that is loaded."""
    return DatasetInfo(
        name=data.name,
        title=data.title,
        description=" ".join(data.notes),
        input_shape=data.input_shape,
        classes=data.classes,
        sizes={split: len(data.split(split).labels) for split in SPLITS},
        source=data.source,
    )


def _full_name(name: str) -> str:
    short = name.removeprefix(PREFIX) or "data"
    if not _NAME.fullmatch(short):
        raise WorkbenchError(
            f"The name of your data must be letters, digits, '_', '-' and '.', at most 64, such as own/birds; "
            f"got {name[:80]!r}."
        )
    return PREFIX + short


def _renamed(data: Dataset, name: str, classes: Sequence[str] | None) -> Dataset:
    """A Dataset under its new name, once it keeps what a Dataset promises."""
    made = replace(data, name=name, classes=class_names(name, data.classes if classes is None else classes))
    scales = set()
    for split in SPLITS:
        images, labels = data.split(split).images, data.split(split).labels
        if tuple(images.shape[1:]) != tuple(data.input_shape) or len(images) != len(labels):
            raise WorkbenchError(
                f"{name}: {split} must have images of {tuple(data.input_shape)} with a label each; got "
                f"{tuple(images.shape)} and {len(labels):,} labels."
            )
        check_labels(name, split, labels, len(made.classes))
        if not isinstance(images, Pixels):
            scales.add(scale_of(images, name))
    normalised = data.normalised or NORMALISED in scales
    return replace(made, normalised=normalised, content=made.digest)
