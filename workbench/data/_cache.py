"""Decoded images on disk: arrays one after another, then a footer, so that a file cut short is never taken for whole.

A file is written under a name of its own and renamed when it is complete, so processes that build the same one at the
same time do not meet. It is keyed by what it was decoded from, and opened as a memory map.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.home import home

_TRAILER = struct.Struct("<QI8s")
_MAGIC = b"wbpixel1"
_ALIGN = 64
_KINDS = ("|u1", "<i8")
_STALE_S = 86_400


class Sink(Protocol):
    """What a decoder pours arrays into."""

    def add(self, name: str, rows: NDArray[Any]) -> None:
        """Append `rows` (uint8 or int64) to array `name`; one array is finished before the next begins."""
        ...


Build = Callable[[Sink], dict[str, Any]]
"""Pours every array into the sink and returns what else there is to know, JSON-able."""


@dataclass(frozen=True, eq=False)
class Stored:
    """digest: SHA-256 of the arrays' names, kinds, shapes and bytes, in hexadecimal; note: why there is no cache."""

    arrays: dict[str, NDArray[Any]]
    about: dict[str, Any]
    digest: str
    note: str = ""


class _Unwritable(Exception):  # noqa: N818 - carries the reason from the sink to `stored`
    """The cache cannot be written; the text says why."""


def stored(stem: str, key: object, build: Build) -> Stored:
    """What `build` made of the source that `key` (JSON-able) describes: from disk where it is, else built and kept.

    stem: begins the file's name; older files of the same stem are deleted. When nothing can be kept the arrays are
    in memory and the note says why.
    """
    text = json.dumps(key, sort_keys=True)
    path = home() / "decoded" / f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pixels"
    found = _opened(path)
    if found is not None:
        return found
    try:
        _write(path, stem, build)
        found = _opened(path)
        assert found is not None, "what was just written can be read"
        return found
    except _Unwritable as error:
        note = f"The decoded images cannot be kept in {path.parent} ({error}): they are decoded again the next time."
        logging.getLogger("workbench.data").warning(note)
        return _in_memory(build, note)


def _in_memory(build: Build, note: str) -> Stored:
    sink = _Memory()
    about = build(sink)
    arrays = {name: np.concatenate(parts) for name, parts in sink.parts.items()}
    return Stored(arrays, about, sink.digest.finish(), note)


class _Digest:
    """Of arrays that arrive in parts, whatever the parts."""

    def __init__(self) -> None:
        self.sha = hashlib.sha256()
        self.shapes: dict[str, tuple[str, list[int]]] = {}

    def add(self, name: str, rows: NDArray[Any]) -> bytes:
        """The rows as the bytes that are stored and counted."""
        kind = rows.dtype.newbyteorder("<").str
        assert kind in _KINDS, f"{kind} is not stored"
        if name in self.shapes:
            assert name == list(self.shapes)[-1] and self.shapes[name][1][1:] == list(rows.shape[1:])
            self.shapes[name][1][0] += len(rows)
        else:
            self.shapes[name] = (kind, list(rows.shape))
        data = np.ascontiguousarray(rows, kind).tobytes()
        self.sha.update(data)
        return data

    def finish(self) -> str:
        self.sha.update(json.dumps(self.shapes).encode())
        return self.sha.hexdigest()


class _Memory:
    def __init__(self) -> None:
        self.parts: dict[str, list[NDArray[Any]]] = {}
        self.digest = _Digest()

    def add(self, name: str, rows: NDArray[Any]) -> None:
        self.digest.add(name, rows)
        self.parts.setdefault(name, []).append(rows.copy())


class _File:
    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest, self.size = file, _Digest(), 0
        self.offsets: dict[str, int] = {}

    def add(self, name: str, rows: NDArray[Any]) -> None:
        data = self.digest.add(name, rows)
        if name not in self.offsets:
            self.write(bytes(-self.size % _ALIGN))
            self.offsets[name] = self.size
        self.write(data)

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self.file.write(left) :]
        except OSError as error:
            raise _Unwritable(error.strerror or str(error)) from None
        self.size += len(data)

    def close(self, about: dict[str, Any]) -> None:
        arrays = {name: [kind, shape, self.offsets[name]] for name, (kind, shape) in self.digest.shapes.items()}
        footer = json.dumps({"arrays": arrays, "about": about, "digest": self.digest.finish()}).encode()
        self.write(footer + _TRAILER.pack(len(footer), zlib.crc32(footer), _MAGIC))
        try:
            os.fsync(self.file.fileno())  # only now do some file systems notice that they are full
        except OSError as error:
            raise _Unwritable(error.strerror or str(error)) from None


def _write(path: Path, stem: str, build: Build) -> None:
    mine = path.with_name(f"{path.name}.part-{os.getpid()}-{threading.get_ident()}")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = mine.open("wb", buffering=0)
        except OSError as error:
            raise _Unwritable(error.strerror or str(error)) from None
        with file:
            sink = _File(file)
            sink.close(build(sink))
        try:
            mine.replace(path)
        except OSError as error:
            raise _Unwritable(error.strerror or str(error)) from None
    finally:
        mine.unlink(missing_ok=True) if mine.parent.is_dir() else None
    _tidy(path, stem)


def _tidy(path: Path, stem: str) -> None:
    """Delete what this file replaces, and what was left by processes that were killed a day ago."""
    for other in path.parent.glob(f"{stem}-*.pixels*"):
        partial = ".part-" in other.name
        try:
            if other != path and (not partial or time.time() - other.stat().st_mtime > _STALE_S):
                other.unlink()
        except OSError:
            continue  # someone else was faster, or still has it open where that matters


def _opened(path: Path) -> Stored | None:
    """The file as memory maps, or None when it is missing, cut short or not one of ours."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END) - _TRAILER.size
            file.seek(max(end, 0))
            length, crc, magic = _TRAILER.unpack(file.read())
            if magic != _MAGIC or length > end:
                return None
            file.seek(end - length)
            footer = file.read(length)
        if zlib.crc32(footer) != crc:
            return None
        known = json.loads(footer)
        whole = np.memmap(path, np.uint8, mode="c")
        arrays = {name: _array(whole[: end - length], *words) for name, words in known["arrays"].items()}
        return Stored(arrays, known["about"], known["digest"])
    except (OSError, struct.error, ValueError, KeyError):
        return None


def _array(whole: NDArray[Any], kind: str, shape: list[int], offset: int) -> NDArray[Any]:
    size = math.prod(shape) * np.dtype(kind).itemsize
    return np.asarray(whole[offset : offset + size]).view(kind).reshape(shape)
