"""The artifact: a compressed network in one file, `.wbz`. What it takes is what it is said to take.

    "WBZ" and a version byte                                        4 bytes
    the length of the directory, 7 bits a byte, lowest first
    the directory, deflated as if after DICTIONARY:
        length of the JSON, JSON {"header": ..., "tensors": [name, ...]}, one description a tensor
    the payload: for every tensor its positions, codebook or scales, codes or floats
    CRC-32 of all that, lowest byte first                           4 bytes

Every version keeps the first four bytes and the checksum, so that a reader can tell damage from a newer file.
"""

from __future__ import annotations

import math
import os
import stat
import uuid
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..core.encoded import Encoded
from ..core.errors import FileError
from .dictionary import DICTIONARY
from .sink import BytesSink, Sink
from .tensors import read_tensor, write_tensor
from .wire import Cursor, Payload, Writer

MAGIC = b"WBZ"
VERSION = 2
CHECKSUM_BYTES = 4
MOST_BYTES = 1 << 31
_MOST_DIRECTORY = 1 << 20


@dataclass(frozen=True)
class Packed:
    """data: the file. parts: bytes by what they hold, which sum to its length. tensor_bytes: payload by tensor."""

    data: bytes
    parts: dict[str, int]
    tensor_bytes: dict[str, int]


@dataclass(frozen=True)
class Artifact:
    """What a file holds. parts sum to file_bytes; tensor_bytes to that less header and checksum.

    coders: tensor -> part -> the entropy coder that was found there, as in {"positions": "range", "codes": "huffman"}.
    streams: tensor -> part -> bytes of the payload.
    """

    header: dict[str, Any]
    tensors: dict[str, Encoded]
    roles: dict[str, str]
    parts: dict[str, int]
    tensor_bytes: dict[str, int]
    coders: dict[str, dict[str, str]]
    streams: dict[str, dict[str, int]]
    file_bytes: int


def pack(tensors: Mapping[str, Encoded], header: Mapping[str, Any], roles: Mapping[str, str]) -> Packed:
    """The bytes of the file. header: anything JSON; roles: tensor -> weight (if absent), bias, batchnorm or buffer."""
    sink = BytesSink()
    tensor_bytes = fill(sink, tensors, roles)
    front = preamble(header, tensors, sink)
    body = front + bytes(sink.payload)
    data = body + zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little")
    if _entries(tensors) > _most_entries(len(data), None):
        raise FileError(f"{_entries(tensors)} entries in {len(data)} bytes are more than a reader accepts.")
    parts = {"header": len(front), **sink.parts, "checksum": CHECKSUM_BYTES}
    assert sum(parts.values()) == len(data) and sum(tensor_bytes.values()) == len(sink.payload)
    return Packed(data, parts, tensor_bytes)


def fill(sink: Sink, tensors: Mapping[str, Encoded], roles: Mapping[str, str]) -> dict[str, int]:
    """Put every tensor into `sink`; bytes of payload by tensor."""
    out = {}
    for name, encoded in tensors.items():
        before = sum(sink.parts.values())
        write_tensor(sink, encoded, roles.get(name, "weight"))
        out[name] = sum(sink.parts.values()) - before
    return out


def preamble(header: Mapping[str, Any], tensors: Mapping[str, Encoded], sink: Sink) -> bytes:
    """All that comes before the payload."""
    text = msgspec.json.encode({"header": dict(header), "tensors": list(tensors)})
    directory = Writer()
    directory.uint(len(text))
    raw = bytes(directory.data) + text + bytes(sink.meta.data)
    if len(raw) > _MOST_DIRECTORY:
        raise FileError(f"A header of {len(raw)} bytes is more than the {_MOST_DIRECTORY} that a reader accepts.")
    deflated = _deflate(raw)
    front = Writer()
    front.uint(len(deflated))
    return MAGIC + bytes([VERSION]) + bytes(front.data) + deflated


def _deflate(raw: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return squeeze.compress(raw) + squeeze.flush()


def unpack(data: bytes, *, limit: int | None = None) -> Artifact:
    """What `pack` was given. limit: bytes that all tensors together may take as float32.

    The default limit is 64 MiB and 4096 times the file, at most 2 GiB. FileError, in one sentence, for anything that
    `pack` did not write.
    """
    body = _checked(data)
    cursor = Payload(body)
    cursor.take(len(MAGIC) + 1)
    header, names, meta = _directory(cursor.take(cursor.uint(len(body))))
    front = cursor.at
    cursor.parts.clear()
    most = _most_entries(len(data), limit)
    tensors: dict[str, Encoded] = {}
    roles, tensor_bytes, coders, streams = {}, {}, {}, {}
    for name in names:
        start, cursor.coders, before = cursor.at, {}, dict(cursor.parts)
        tensors[name], roles[name] = read_tensor(meta, cursor, most)
        most -= math.prod(tensors[name].shape)
        tensor_bytes[name], coders[name] = cursor.at - start, cursor.coders
        grown = {part: count - before.get(part, 0) for part, count in cursor.parts.items()}
        streams[name] = {part: count for part, count in grown.items() if count}
    if meta.left or cursor.left:
        raise FileError(f"The file holds {meta.left + cursor.left} bytes that belong to no tensor.")
    parts = {"header": front, **cursor.parts, "checksum": CHECKSUM_BYTES}
    return Artifact(header, tensors, roles, parts, tensor_bytes, coders, streams, len(data))


def _checked(data: bytes) -> memoryview:
    """`data` without its checksum, after looking at nothing but magic, checksum and version."""
    if not data:
        raise FileError("The file is empty.")
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise FileError("The file is not a workbench artifact: it does not start with WBZ.")
    body, checksum = memoryview(data)[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if len(body) <= len(MAGIC) or zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little") != checksum:
        raise FileError("The file is damaged or incomplete: its checksum does not match its content.")
    if body[len(MAGIC)] != VERSION:
        raise FileError(f"The file has format version {body[len(MAGIC)]}; this workbench reads version {VERSION}.")
    return body


def _directory(deflated: memoryview) -> tuple[dict[str, Any], list[str], Cursor]:
    """header, names of the tensors, their descriptions."""
    directory = Cursor(_inflate(deflated))
    text = directory.take(directory.uint(_MOST_DIRECTORY))
    try:
        found = msgspec.json.decode(text, type=_Front)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise FileError("The file has a header that is not the JSON it should be.") from None
    if len(set(found.tensors)) != len(found.tensors):
        raise FileError("The file names a tensor twice.")
    return found.header, found.tensors, Cursor(directory.take(directory.left))


class _Front(msgspec.Struct):
    header: dict[str, Any]
    tensors: list[str]


def _inflate(deflated: memoryview) -> bytes:
    stretch = zlib.decompressobj(-15, DICTIONARY)
    try:
        raw = stretch.decompress(deflated, _MOST_DIRECTORY)
    except zlib.error:
        raise FileError("The file has a header that cannot be inflated.") from None
    if not stretch.eof or stretch.unused_data or stretch.unconsumed_tail:
        raise FileError(f"The file has a header that does not end, or that is larger than {_MOST_DIRECTORY} bytes.")
    return raw


def _most_entries(file_bytes: int, limit: int | None) -> int:
    return (min(MOST_BYTES, (1 << 26) + 4096 * file_bytes) if limit is None else limit) // 4


def _entries(tensors: Mapping[str, Encoded]) -> int:
    return sum(math.prod(encoded.shape) for encoded in tensors.values())


def write(
    path: str | Path, tensors: Mapping[str, Encoded], header: Mapping[str, Any], roles: Mapping[str, str]
) -> Packed:
    """Pack into the file `path`, all or nothing; FileError if it cannot be written."""
    packed = pack(tensors, header, roles)
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        _write_all(temporary, packed.data)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise FileError(f"{path} cannot be written: {_reason(error)}.") from None
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
    return packed


def _write_all(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read(path: str | Path, *, limit: int | None = None) -> Artifact:
    """Unpack the file `path`; FileError, which names it, for anything that is not an artifact."""
    try:
        about = os.stat(path)
        data = Path(path).read_bytes() if stat.S_ISREG(about.st_mode) and about.st_size <= MOST_BYTES else None
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {_reason(error)}.") from None
    if data is None:
        raise FileError(f"{path} is not a file of at most {MOST_BYTES} bytes.")
    try:
        return unpack(data, limit=limit)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)
