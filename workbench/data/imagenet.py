"""ImageNet from its standard folders. Only the 5,000 validation images are kept decoded; others when they are used.

The images of `val/` are the test split: centre crop, 224 pixels. Validation images come from `train/`; without that
folder, calibration and validation images are taken out of `val/`, and the test split is the rest of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.context import Batch
from ..core.errors import FileError, WorkbenchError
from ..core.progress import Progress
from ._cache import Sink, Stored, stored
from ._dataset import Dataset, DatasetInfo
from ._images import SUFFIXES, Broken, Square, decoded_all
from ._pixels import Held, Pixels
from ._places import VARIABLE, bases, own, stamp
from ._splits import carved, shuffled

CLASSES = 1000
SQUARE = Square(channels=3, size=224, scaled=256)
INFO = DatasetInfo(
    name="imagenet",
    title="ImageNet (ILSVRC 2012)",
    description="1.28 million photographs of a thousand classes, centre crop of 224x224; 5 training images of every "
    "class are set aside for validation, and the 50,000 official validation images are the test set.",
    input_shape=(3, 224, 224),
    classes=tuple(f"class {i}" for i in range(CLASSES)),
    sizes={"train": 1276167, "validation": 5000, "test": 50000},
    source="Russakovsky et al. 2015, arXiv:1409.0575.",
)
_PER_CLASS = 5
_VERSION = 1


def missing() -> str:
    """Why it cannot be loaded, or ""."""
    return "" if _base() else f"not on this machine, and not free to download: {_advice()}"


def load(argument: str, progress: Progress) -> Dataset:
    """From `imagenet/train/` and `imagenet/val/`, or `val/` alone."""
    base = _base()
    if base is None:
        raise WorkbenchError(f"ImageNet is not on this machine, and not free to download: {_advice()}.")
    progress("Listing ImageNet")
    val = _Listing.of(base / "val")
    train = _Listing.of(base / "train") if (base / "train").is_dir() else None
    if train is not None and train.classes != val.classes:
        raise WorkbenchError(f"{base} must have the same {CLASSES} class folders in train and in val.")
    return _dataset(val, train, progress)


def _base() -> Path | None:
    return next((base for base in bases("imagenet") if (base / "val" / "n01440764").is_dir()), None)


def _advice() -> str:
    return (
        f"put the folders train and val, with a folder for each of the {CLASSES} classes (n01440764 and so on), into "
        f"{own('imagenet')}, or set {VARIABLE} to a folder that has them in imagenet"
    )


def _dataset(val: _Listing, train: _Listing | None, progress: Progress) -> Dataset:
    first = train or val
    rest, validation = carved(first.labels, _PER_CLASS * CLASSES)
    notes: tuple[str, ...] = ()
    test, used = val.all_rows(), rest
    if train is None:
        kept, part = carved(val.labels[rest], _PER_CLASS * CLASSES, salt=1)
        test, used = rest[kept], rest[part]
        notes = ("There is no train folder: calibration and validation images come from val, and test is the rest.",)
    chosen = first.picked(shuffled(validation))
    found = _decoded(chosen, progress)
    held = Pixels(Held(torch.from_numpy(found.arrays["images"]), torch.arange(len(chosen.labels))))
    return Dataset(
        name="imagenet",
        title=INFO.title,
        classes=val.classes,
        input_shape=INFO.input_shape,
        train=first.picked(used).batch(),
        validation=Batch(held, torch.from_numpy(chosen.labels)),
        test=val.picked(test).batch(),
        notes=(*notes, found.note) if found.note else notes,
        content=hashlib.sha256(f"{found.digest}{val.digest()}{train and train.digest()}".encode()).hexdigest(),
    )


def _decoded(chosen: _Listing, progress: Progress) -> Stored:
    """The validation images, 753 MB, which sliders ask for again and again."""

    def pour(sink: Sink) -> dict[str, Any]:
        done = 0
        for images in decoded_all(chosen.paths(np.arange(len(chosen.labels))), SQUARE):
            sink.add("images", np.stack([_whole(image, "a validation image") for image in images]))
            done += len(images)
            progress("Decoding ImageNet's validation images", done / len(chosen.labels))
        return {}

    paths = list(chosen.paths(np.arange(len(chosen.labels))))
    return stored("imagenet", ["imagenet", _VERSION, SQUARE, stamp(paths)], pour)


def _whole(image: NDArray[np.uint8] | Broken, what: str) -> NDArray[np.uint8]:
    if isinstance(image, Broken):
        raise FileError(f"ImageNet on this machine is damaged: {what} is {image.reason}.")
    return image


@dataclass(frozen=True, eq=False)
class _Listing:
    """files: (n,) names as bytes, which take a tenth of what Path objects would; labels: (n,) int64."""

    place: Path
    classes: tuple[str, ...]
    files: NDArray[np.bytes_]
    labels: NDArray[np.int64]

    @staticmethod
    def of(place: Path) -> _Listing:
        """Every image in the class folders; WorkbenchError when they are not the thousand."""
        folders = sorted(p.name for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
        if len(folders) != CLASSES:
            raise WorkbenchError(
                f"{place} must have {CLASSES} class folders and has {len(folders)}; a part of ImageNet can be used as "
                f"folder:{place.parent}@{SQUARE.size}."
            )
        names = [sorted(p.name for p in (place / f).iterdir() if p.suffix.lower() in SUFFIXES) for f in folders]
        fewest = min(range(CLASSES), key=lambda i: len(names[i]))
        if len(names[fewest]) <= 2 * _PER_CLASS:
            raise WorkbenchError(f"{place / folders[fewest]} must have more than {2 * _PER_CLASS} images.")
        labels = np.repeat(np.arange(CLASSES), [len(n) for n in names])
        return _Listing(place, tuple(folders), np.array([n.encode() for group in names for n in group]), labels)

    def all_rows(self) -> NDArray[np.int64]:
        return np.arange(len(self.labels))

    def picked(self, rows: NDArray[np.int64]) -> _Listing:
        return _Listing(self.place, self.classes, self.files[rows], self.labels[rows])

    def paths(self, rows: NDArray[np.int64]) -> Iterator[Path]:
        for row in rows:
            yield self.place / self.classes[self.labels[row]] / self.files[row].decode()

    def digest(self) -> str:
        """Of names and labels: the pixels of a million images cannot be read for it."""
        return hashlib.sha256(self.files.tobytes() + self.labels.tobytes()).hexdigest()

    def batch(self) -> Batch:
        return Batch(Pixels(_Files(self)), torch.from_numpy(self.labels))


@dataclass(frozen=True, eq=False)
class _Files:
    """Pixels that are decoded whenever somebody asks for them."""

    listing: _Listing

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.listing.labels), SQUARE.channels, SQUARE.size, SQUARE.size)

    def take(self, rows: Tensor) -> Tensor:
        paths = list(self.listing.paths(rows.numpy()))
        images = [image for part in decoded_all(paths, SQUARE) for image in part]
        whole = [_whole(image, str(path)) for path, image in zip(paths, images, strict=True)]
        return torch.from_numpy(np.stack(whole)) if whole else torch.empty((0, *self.shape[1:]), dtype=torch.uint8)
