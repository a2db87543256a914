"""MNIST and the sets that came in its format: four idx files, plain or gzipped, as torchvision lays them out."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import FileError
from ..core.progress import Progress
from ._cache import Sink, stored
from ._dataset import Dataset, DatasetInfo, assembled
from ._download import Remote, fetch
from ._places import VARIABLE, bases, own, stamp
from ._splits import carved, validation_size

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIZE = 28
_VERSION = 1
_MOST = 10**7


def remotes(mirrors: Sequence[str], known: Sequence[tuple[int, str]]) -> tuple[Remote, ...]:
    """Where each of FILES is to be had, packed. known: (bytes, MD5) in the same order."""
    return tuple(
        Remote(f"{name}.gz", tuple(f"{mirror}{name}.gz" for mirror in mirrors), size, md5)
        for name, (size, md5) in zip(FILES, known, strict=True)
    )


@dataclass(frozen=True)
class IdxSet:
    """folder: torchvision's name of it, in which a folder `raw` holds the files."""

    info: DatasetInfo
    folder: str
    remotes: tuple[Remote, ...]

    def missing(self) -> str:
        """Why it cannot be loaded without a download, or ""."""
        wanted = f"not on this machine yet: it is downloaded when it is first used, or {self.advice()}"
        return "" if self.found() else wanted

    def advice(self) -> str:
        return (
            f"put {', '.join(FILES)} (plain or .gz) into {own(self.info.name) / self.folder / 'raw'}, "
            f"or set {VARIABLE} to a folder that has them in {self.info.name}/{self.folder}/raw"
        )

    def found(self) -> list[Path]:
        """The four files in the first folder that has them all, or none."""
        for base in bases(self.info.name):
            for folder in (base / self.folder / "raw", base):
                files = [next((p for p in (folder / f, folder / (f + ".gz")) if p.is_file()), None) for f in FILES]
                if all(files):
                    return [path for path in files if path is not None]
        return []

    def load(self, progress: Progress) -> Dataset:
        """From the files, which are downloaded where they are missing."""
        if not self.found():
            folder = own(self.info.name) / self.folder / "raw"
            fetch(self.remotes, folder, title=self.info.title, advice=self.advice(), progress=progress)
        paths = self.found()
        key = ["idx", _VERSION, stamp(paths)]
        found = stored(self.info.name, key, lambda sink: _pour(sink, paths, progress))
        return assembled(found, name=self.info.name, title=self.info.title, classes=self.info.classes)


def _pour(sink: Sink, paths: Sequence[Path], progress: Progress) -> dict[str, Any]:
    labels = [_labels(paths[1]), _labels(paths[3])]
    for path, known in zip((paths[0], paths[2]), labels, strict=True):
        progress(f"Reading {path.name}")
        images = read_idx(path, (SIZE, SIZE))
        if len(images) != len(known):
            raise FileError(f"{path} has {len(images):,} images and the file beside it {len(known):,} labels.")
        sink.add("images", images[:, None])
    train, test = (len(part) for part in labels)
    sink.add("labels", np.concatenate(labels).astype(np.int64))
    rest, validation = carved(labels[0], validation_size(train))
    for name, rows in zip(("train", "validation", "test"), (rest, validation, train + np.arange(test)), strict=True):
        sink.add(name, rows)
    return {}


def _labels(path: Path) -> NDArray[np.uint8]:
    labels = read_idx(path, ())
    if len(labels) == 0 or labels.max() > 9:
        raise FileError(f"{path} must hold labels from 0 to 9.")
    return labels


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """(n, *shape) bytes of an idx file, gzipped or not; FileError when it is not exactly that."""
    axes = 1 + len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * axes)
            magic, n, *sides = struct.unpack(f">{1 + axes}I", head)
            if magic != 0x800 + axes or tuple(sides) != shape or n > _MOST:
                raise FileError(f"{path} is not an idx file of {'x'.join(map(str, ('n', *shape)))} bytes.")
            expected = n * int(np.prod(shape, dtype=np.int64))
            data = file.read(expected + 1)
    except (struct.error, EOFError, zlib.error, OSError) as error:
        raise FileError(f"{path} cannot be read ({error}); delete it and it is downloaded again.") from None
    if len(data) != expected:
        raise FileError(f"{path} is cut short or too long: its header promises {expected:,} bytes of content.")
    return np.frombuffer(data, np.uint8).reshape(n, *shape)
