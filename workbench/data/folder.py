"""`folder:PATH`: your own images, one folder for each class; `folder:PATH@64` makes them 64 pixels square.

Only for the person at the keyboard: a path never comes from a page's visitor.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ._cache import Sink, stored
from ._dataset import SPLITS, Dataset, DatasetInfo, assembled
from ._images import SUFFIXES, Broken, Square, decoded_all, is_grey, listed
from ._splits import carved, shuffled

INFO = DatasetInfo(
    name="folder",
    title="Your own images",
    description="Images in PATH/<class>/, or split already in PATH/train/<class>/, PATH/val/<class>/ and "
    "PATH/test/<class>/; 32x32 pixels, or PATH@SIZE. What is not split is split 70/15/15 within each class.",
    input_shape=(),
    classes=(),
    sizes={},
    source="Read from the folder.",
    argument="PATH",
)
SIZE, LEAST, MOST = 32, 8, 512
_SHARES = {"validation": 0.15, "test": 0.15}
_NAMES = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
_VERSION = 1


class _Found(NamedTuple):
    """One file: its split ("" when the folder is not split), its class and its path."""

    split: str
    label: str
    path: Path


def missing() -> str:
    """A folder is named, not downloaded."""
    return "a folder is named on the command line or in Python, not picked here"


def load(argument: str, progress: Progress) -> Dataset:
    """Every readable image below the folder; WorkbenchError says what is wrong with it as a whole."""
    place, size = _place_and_size(argument)
    progress(f"Looking through {place}")
    try:
        files = list(_files(place))
        folder = _Folder(place, size, files, _classes(place, files), _empty(place, files))
        key = folder.key()
    except OSError as error:
        raise WorkbenchError(f"folder: {error.filename} cannot be read: {error.strerror}.") from None
    stem = f"folder-{hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:8]}-{size}"
    found = stored(stem, key, lambda sink: folder.pour(sink, progress))
    return assembled(found, name=f"folder:{argument}", title=f"{place.name} (your images)", source=str(place))


def _place_and_size(argument: str) -> tuple[Path, int]:
    place, size = Path(argument).expanduser(), SIZE
    ending = re.fullmatch(r"(.+)@(\d{1,5})", argument)
    if ending and not place.exists():
        place, size = Path(ending[1]).expanduser(), int(ending[2])
    if not LEAST <= size <= MOST:
        raise WorkbenchError(f"folder: the size after @ must be an integer in [{LEAST}, {MOST}]; got {size}.")
    if not place.is_dir():
        raise WorkbenchError(f"folder: {place} is {'not a folder' if place.exists() else 'not there'}.")
    return place, size


def _files(place: Path) -> Iterator[_Found]:
    """In an order that depends on names only."""
    for split, part in _parts(place).items():
        for label in _folders(part):
            yield from (_Found(split, label.name, path) for path in _images(label))


def _parts(place: Path) -> dict[str, Path]:
    """The folder of each split that has one; the place itself under "" when it is not split."""
    parts = {split: place / n for split, names in _NAMES.items() for n in names if (place / n).is_dir()}
    return parts if "train" in parts and _folders(parts["train"]) else {"": place}


def _empty(place: Path, files: list[_Found]) -> tuple[str, ...]:
    """Folders that look like classes and have no image."""
    named = {label.name for part in _parts(place).values() for label in _folders(part)}
    return tuple(sorted(named - {file.label for file in files}))


def _folders(place: Path) -> list[Path]:
    return sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images(label: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(label):
        folders.sort()
        yield from (Path(at) / n for n in sorted(names) if Path(n).suffix.lower() in SUFFIXES and n[0] != ".")


def _classes(place: Path, files: list[_Found]) -> tuple[str, ...]:
    """Names of the classes that can be learnt from."""
    if not files:
        loose = any(_images(place))
        what = "images, but no folder for each class with images in it" if loose else "no image in it"
        raise WorkbenchError(f"folder: {place} has {what}; it must have PATH/<class>/<image> for two or more classes.")
    classes = tuple(sorted({f.label for f in files if f.split in ("", "train")}))
    if len(classes) < 2:
        only = classes[0] if classes else "none"
        raise WorkbenchError(f"folder: {place} has one class only ({only}); there must be two or more.")
    strange = sorted({f.label for f in files} - set(classes))
    if strange:
        raise WorkbenchError(f"folder: {place} has {strange[0]} in val or test, and no such class in train.")
    return classes


class _Folder(NamedTuple):
    place: Path
    size: int
    files: list[_Found]
    classes: tuple[str, ...]
    empty: tuple[str, ...]

    def key(self) -> list[object]:
        """What was found, without opening it."""
        digest = hashlib.sha256()
        for file in self.files:
            about = file.path.stat()
            digest.update(repr((file.split, str(file.path), about.st_size, about.st_mtime_ns)).encode())
        return ["folder", _VERSION, self.size, digest.hexdigest(), self.empty]

    def pour(self, sink: Sink, progress: Progress) -> dict[str, Any]:
        """Decode everything; what cannot be read is told, and at the end what is left must be enough."""
        progress(f"Opening {self.place.name}")
        grey = all(is_grey(file.path) is not False for file in self.files)
        kept, left_out = list[_Found](), list[str]()
        square = Square(1 if grey else 3, self.size, self.size)
        at = 0
        for images in decoded_all((file.path for file in self.files), square):
            for file, image in zip(self.files[at : at + len(images)], images, strict=True):
                if isinstance(image, Broken):
                    left_out.append(f"{file.path.relative_to(self.place)}: {image.reason}")
                else:
                    kept.append(file)
            at += len(images)
            good = [image for image in images if not isinstance(image, Broken)]
            if good:
                sink.add("images", np.stack(good))
            progress(f"Decoding {self.place.name}", at / len(self.files))
        self._check(kept, left_out)
        labels = np.array([self.classes.index(file.label) for file in kept], np.int64)
        sink.add("labels", labels)
        for split, rows in self._rows(labels, np.array([file.split for file in kept])).items():
            sink.add(split, rows)
        notes = [f"{name} has no image and is left out." for name in self.empty]
        notes += listed(left_out, len(self.files))
        return {"classes": list(self.classes), "left_out": left_out, "notes": notes}

    def _check(self, kept: list[_Found], left_out: list[str]) -> None:
        here = Counter(file.label for file in kept if file.split in ("", "train"))
        poor = min(self.classes, key=lambda name: here[name])
        needed = 3 if len({file.split for file in kept}) < 3 else 1
        if here[poor] < needed:
            broken = f" ({len(left_out)} files are broken, such as {left_out[0]})" if left_out else ""
            raise WorkbenchError(
                f"folder: {self.place} has {here[poor]} readable images of {poor}; every class must have at least "
                f"{needed} to learn from, to choose by and to test with{broken}."
            )

    def _rows(self, labels: NDArray[np.int64], split: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """The rows of each split; one that has no folder is carved out of train."""
        rows = {name: np.flatnonzero(split == name) for name in SPLITS}
        rows["train"] = np.flatnonzero((split == "") | (split == "train"))
        every = len(rows["train"])
        for salt, (name, share) in enumerate(_SHARES.items()):
            if not len(rows[name]):
                rest, part = carved(labels[rows["train"]], round(share * every), salt)
                rows["train"], rows[name] = rows["train"][rest], rows["train"][part]
        return {name: shuffled(rows[name]) for name in SPLITS}
