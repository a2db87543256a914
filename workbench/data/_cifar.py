"""The binary files of CIFAR-10 and CIFAR-100. The form whose name ends in -py is pickles, and is never opened."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import FileError
from ..core.progress import Progress
from ._cache import Sink, stored
from ._dataset import Dataset, DatasetInfo, assembled
from ._download import Remote, checked, fetch
from ._places import VARIABLE, bases, own, stamp
from ._splits import carved, validation_size

_VERSION = 1
_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_MOST_BYTES = 2**28


class Origin(Protocol):
    """Files that were found, and how they become arrays. title, source, notes: what the dataset says then."""

    @property
    def title(self) -> str: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def source(self) -> str: ...

    def key(self) -> list[object]: ...

    def pour(self, sink: Sink, progress: Progress) -> dict[str, Any]: ...


@dataclass(frozen=True)
class CifarSet:
    """label_bytes: in front of the pixels, the last one counts. python: the folder of the pickles."""

    info: DatasetInfo
    folder: str
    train: tuple[str, ...]
    test: str
    label_bytes: int
    remote: Remote
    python: str

    def advice(self) -> str:
        name = self.info.name
        return (
            f"put {self.remote.name} into {own(name)}, or set {VARIABLE} to a folder that has it, or what was unpacked "
            f"from it ({self.folder}/), in {name}/{self._about_pickles()}"
        )

    def _about_pickles(self) -> str:
        there = any((base / self.python).exists() for base in bases(self.info.name))
        return f" ({self.python} is there, but it is pickles, which can run code, and is not opened)" if there else ""

    def found(self, base: Path) -> Origin | None:
        """The binary files in `base`, unpacked or not."""
        files = tuple(base / self.folder / name for name in (*self.train, self.test))
        if all(path.is_file() for path in files):
            return _Binary(self, files)
        archive = base / self.remote.name
        return _Binary(self, (archive,)) if archive.is_file() else None

    def download(self, progress: Progress) -> Origin:
        """Bring the archive; WorkbenchError says where the files may be put instead."""
        folder = own(self.info.name)
        fetch([self.remote], folder, title=self.info.title, advice=self.advice(), progress=progress)
        return _Binary(self, (folder / self.remote.name,))

    def dataset(self, origin: Origin, progress: Progress) -> Dataset:
        found = stored(self.info.name, origin.key(), lambda sink: origin.pour(sink, progress))
        about = {"name": self.info.name, "title": origin.title, "classes": self.info.classes}
        made = assembled(found, source=origin.source, **about)
        return replace(made, notes=(*origin.notes, *made.notes))


@dataclass(frozen=True)
class _Binary:
    """files: every batch, the test batch last; or the archive alone."""

    set: CifarSet
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.set.info.title

    @property
    def source(self) -> str:
        return self.set.info.source

    def key(self) -> list[object]:
        return ["cifar", _VERSION, stamp(list(self.files))]

    def pour(self, sink: Sink, progress: Progress) -> dict[str, Any]:
        labels, train = [], 0
        wanted = [*self.set.train, self.set.test]
        for i, (name, data) in enumerate(self._contents(wanted, progress)):
            progress(f"Reading {name}", i / len(wanted))
            known, pixels = self._records(name, data)
            sink.add("images", pixels)
            labels.append(known)
            train += len(known) if name != self.set.test else 0
        every = np.concatenate(labels).astype(np.int64)
        rest, validation = carved(every[:train], validation_size(train))
        sink.add("labels", every)
        for split, rows in (("train", rest), ("validation", validation), ("test", np.arange(train, len(every)))):
            sink.add(split, rows)
        return {}

    def _contents(self, wanted: list[str], progress: Progress) -> Iterator[tuple[str, bytes]]:
        """Every file's bytes in the order of the names, which need not be that of the archive."""
        if len(self.files) > 1:
            yield from ((path.name, path.read_bytes()) for path in self.files)
            return
        progress(f"Checking {self.files[0].name}")
        checked(self.files[0], self.set.remote)
        found = dict(members(self.files[0], lambda parts: parts[-1] in wanted))
        missing = [name for name in wanted if not any(key.endswith("/" + name) for key in found)]
        if missing:
            raise FileError(f"{self.files[0]} does not hold {', '.join(missing)}.")
        yield from ((name, next(d for key, d in found.items() if key.endswith("/" + name))) for name in wanted)

    def _records(self, name: str, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        length, last = self.set.label_bytes + _PIXELS, self.set.label_bytes - 1
        if not data or len(data) % length:
            raise FileError(f"{name} of {self.title} is cut short: {len(data):,} bytes are not records of {length:,}.")
        records = np.frombuffer(data, np.uint8).reshape(-1, length)
        labels = records[:, last]
        if int(labels.max()) >= len(self.set.info.classes):
            raise FileError(f"{name} of {self.title} has label {labels.max()}; there are {len(self.set.info.classes)}.")
        return labels, records[:, last + 1 :].reshape(-1, *_SHAPE)


def members(archive: Path, wanted: Any) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the regular files whose path, split at "/", is `wanted`; nothing is unpacked to disk."""
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                if member.isfile() and wanted(tuple(member.name.split("/"))):
                    content = tar.extractfile(member) if member.size < _MOST_BYTES else None
                    if content is None:
                        raise FileError(f"{archive} holds {member.name}, which is far too large.")
                    yield member.name, content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{archive} is damaged or cut short ({error}).") from None
