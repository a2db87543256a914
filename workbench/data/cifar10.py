"""CIFAR-10 from its authors' binary files, or from a copy as JPEG files, which is then said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import FileError
from ..core.progress import Progress
from ._cache import Sink
from ._cifar import CifarSet, Origin, members
from ._dataset import Dataset, DatasetInfo
from ._download import Remote
from ._images import Broken, Square, decoded_all, listed
from ._places import bases, stamp
from ._splits import carved, shuffled, validation_size

INFO = DatasetInfo(
    name="cifar10",
    title="CIFAR-10",
    description="60,000 colour photographs, 32x32, of vehicles and animals; 5,000 of the 50,000 training images are "
    "set aside for validation, by class, and the official test set is the test set.",
    input_shape=(3, 32, 32),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    sizes={"train": 45000, "validation": 5000, "test": 10000},
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images.",
)
_SET = CifarSet(
    INFO,
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test="test_batch.bin",
    label_bytes=1,
    remote=Remote(
        "cifar-10-binary.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        170_052_171,
        "c32a1d4ab5d03f1284b67883e8d87530",
    ),
    python="cifar-10-batches-py",
)
_PARTS = ("train", "test")
_VERSION = 1


def missing() -> str:
    """Why it cannot be loaded without a download, or ""."""
    advice = f"not on this machine yet: it is downloaded (170 MB) when it is first used, or {_SET.advice()}"
    return "" if _found() else advice


def found() -> str:
    """Which of its two forms lies here."""
    origin = _found()
    return "" if origin is None else origin.title


def load(argument: str, progress: Progress) -> Dataset:
    """From the first folder that has it in any form, else from the net."""
    return _SET.dataset(_found() or _SET.download(progress), progress)


def _found() -> Origin | None:
    for base in bases("cifar10"):
        origin = _SET.found(base) or _Copy.found(base)
        if origin is not None:
            return origin
    return None


@dataclass(frozen=True)
class _Copy:
    """An ImageFolder, `train/<class>/` and `test/<class>/`, unpacked or as `cifar10.tar.xz`."""

    place: Path
    title: str = "CIFAR-10 (JPEG copy)"
    notes: tuple[str, ...] = ("The images are a copy as JPEG files, so pixels differ a little from the original's.",)

    @property
    def source(self) -> str:
        return f"{INFO.source} {self.notes[0]}"

    @staticmethod
    def found(base: Path) -> _Copy | None:
        archive = base / "cifar10.tar.xz"
        if archive.is_file():
            return _Copy(archive)
        whole = all((base / part / name).is_dir() for part in _PARTS for name in INFO.classes)
        return _Copy(base) if whole else None

    def key(self) -> list[object]:
        folders = [self.place / part / name for part in _PARTS for name in INFO.classes]
        return ["cifar-copy", _VERSION, stamp(folders if self.place.is_dir() else [self.place])]

    def pour(self, sink: Sink, progress: Progress) -> dict[str, Any]:
        names: list[str] = []
        origins, left_out = self._origins(names), []
        labels: list[int] = []
        parts: list[int] = []
        for images in decoded_all(origins, Square(3, 32, 32)):
            good = [image for image in images if not isinstance(image, Broken)]
            for name, image in zip(names, images, strict=True):
                part, label, _ = name.split("/")
                if isinstance(image, Broken):
                    left_out.append(f"{name}: {image.reason}")
                else:
                    parts.append(_PARTS.index(part))
                    labels.append(INFO.classes.index(label))
            names.clear()
            if good:
                sink.add("images", np.stack(good))
            progress("Decoding CIFAR-10's JPEG copy", min(1.0, len(labels) / 60000))
        return self._split(sink, np.array(labels), np.array(parts), left_out)

    def _split(self, sink: Sink, labels: Any, parts: Any, left_out: list[str]) -> dict[str, Any]:
        train, test = np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)
        if not len(train) or not len(test):
            raise FileError(f"{self.place} does not hold CIFAR-10's images in train/<class>/ and test/<class>/.")
        rest, validation = (train[rows] for rows in carved(labels[train], validation_size(len(train))))
        sink.add("labels", labels.astype(np.int64))
        for split, rows in (("train", rest), ("validation", validation), ("test", test)):
            sink.add(split, shuffled(rows))  # the files lie in the order of their classes
        return {"left_out": left_out, "notes": listed(left_out, len(labels) + len(left_out))}

    def _origins(self, names: list[str]) -> Iterable[Path | bytes]:
        """Every image; its name, from the part on, is appended to `names` when it is handed out."""
        if self.place.is_dir():
            for path in sorted(p for part in _PARTS for p in (self.place / part).glob("*/*")):
                if _is_image(path.parts[-3:]):
                    names.append("/".join(path.parts[-3:]))
                    yield path
            return
        for name, content in members(self.place, _is_image):
            names.append("/".join(name.split("/")[-3:]))
            yield content


def _is_image(parts: tuple[str, ...]) -> bool:
    return (
        len(parts) >= 3
        and parts[-3] in _PARTS
        and parts[-2] in INFO.classes
        and parts[-1].lower().endswith((".jpg", ".jpeg", ".png"))
    )
