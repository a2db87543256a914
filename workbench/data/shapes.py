"""Coloured shapes with a texture on cluttered ground, drawn from a seed, each with the mask of the shape.

The class is shape x texture, and neither is enough: the clutter has plain shapes and textured strips. So an explanation
of an answer can be held against the one place in the image where the answer is. Whole numbers throughout: every
machine draws the same bits.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.progress import Progress
from ._cache import Sink, stored
from ._dataset import Dataset, DatasetInfo, assembled

SHAPES = ("disc", "square", "triangle", "cross", "ring")
TEXTURES = ("striped", "checked")
SIZE = 32
_SIZES = {"train": 10000, "validation": 2000, "test": 3000}
_SEED = 2017
_VERSION = 1
_CHUNK = 500
_UNIT = 64
"""Steps of a pixel in which places and radii are drawn."""
_TURNS = 48
_ROTATIONS = np.array([[round(256 * f(math.tau * i / _TURNS)) for f in (math.cos, math.sin)] for i in range(_TURNS)])
_CLUTTER = 4

Ints = NDArray[np.int32]

INFO = DatasetInfo(
    name="shapes",
    title="Shapes with known masks",
    description="15,000 drawn images, 32x32 in colour: five shapes times two textures, turned, of any place, size and "
    "colour, among clutter. Which pixels are the shape is known, so explanations can be checked.",
    input_shape=(3, SIZE, SIZE),
    classes=tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES),
    sizes=_SIZES,
    source=f"Drawn by the workbench from seed {_SEED}.",
)


def load(argument: str, progress: Progress) -> Dataset:
    """Drawn once, then read from disk."""
    found = stored("shapes", ["shapes", _VERSION, _SEED, _SIZES], lambda sink: _pour(sink, progress))
    return assembled(found, name="shapes", title=INFO.title, classes=INFO.classes)


class Drawn(NamedTuple):
    """images: (n, 3, 32, 32) uint8; labels: (n,) int64; masks: (n, 32, 32) uint8, 1 on the shape."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8]


def draw(n: int, seed: int) -> Drawn:
    """`n` images, the classes in turn; the same ones for the same seed, and the first ones whatever `n` is."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        chunks = list(pool.map(lambda start: _chunk(min(_CHUNK, n - start), seed, start), range(0, n, _CHUNK)))
    return Drawn(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))


def _pour(sink: Sink, progress: Progress) -> dict[str, Any]:
    drawn = []
    for number, (split, n) in enumerate(_SIZES.items()):
        progress(f"Drawing {split} images", number / len(_SIZES))
        drawn.append(draw(n, _SEED + number))
    for name, parts in zip(("images", "labels", "masks"), zip(*drawn, strict=True), strict=True):
        sink.add(name, np.concatenate(parts))
    ends = np.cumsum(list(_SIZES.values()))
    for split, end in zip(_SIZES, ends, strict=True):
        sink.add(split, np.arange(end - _SIZES[split], end))
    return {}


def _chunk(n: int, seed: int, start: int) -> Drawn:
    # This generator's stream is frozen by NumPy's policy. A part of a chunk is drawn as the whole, to give the same.
    random = np.random.RandomState([seed, start])
    labels = np.arange(start, start + n) % len(INFO.classes)
    images = _ground(random)
    for _ in range(_CLUTTER):
        _draw_clutter(images, random)
    wanted = np.arange(start, start + _CHUNK) % len(INFO.classes)
    masks = _draw_object(images, wanted, random)
    images += random.randint(-24, 25, images.shape, np.int16)
    return Drawn(np.clip(images, 0, 255).astype(np.uint8)[:n], labels, masks.astype(np.uint8)[:n])


def _ground(random: np.random.RandomState) -> NDArray[np.int16]:
    """Four corner colours and what lies between them: (n, 3, 32, 32)."""
    corners = random.randint(20, 236, (_CHUNK, 3, 2, 2), np.int32)
    ramp = np.arange(SIZE, dtype=np.int32)
    weights = np.stack([SIZE - 1 - ramp, ramp], 1)
    ground = np.einsum("yi,ncij,xj->ncyx", weights, corners, weights, optimize=True) // (SIZE - 1) ** 2
    found: NDArray[np.int16] = ground.astype(np.int16)
    return found


class _Frame(NamedTuple):
    """u, v: (n, 32, 32), coordinates of the pixels around a turned centre; radius: (n, 1, 1). All in 1/64 pixel."""

    u: Ints
    v: Ints
    radius: Ints


def _frame(random: np.random.RandomState, low: int, high: int, margin: int) -> _Frame:
    """A place, size and turn for each image. low, high: of the radius; margin: from centre to border; in pixels."""
    radius = random.randint(low * _UNIT, high * _UNIT + 1, (_CHUNK, 1, 1)).astype(np.int32)
    place = random.randint(margin * _UNIT, (SIZE - margin) * _UNIT + 1, (2, _CHUNK, 1, 1)).astype(np.int32)
    turn = _ROTATIONS[random.randint(0, _TURNS, _CHUNK)].astype(np.int32)
    axis = np.arange(SIZE, dtype=np.int32) * _UNIT + _UNIT // 2
    across, down = axis[None, None, :] - place[0], axis[None, :, None] - place[1]
    cos, sin = turn[:, 0, None, None], turn[:, 1, None, None]
    return _Frame((cos * across + sin * down) >> 8, (cos * down - sin * across) >> 8, radius)


def _inside(shape: NDArray[Any], frame: _Frame) -> NDArray[np.bool_]:
    """(n, 32, 32), True on a shape of about the same area for every kind. shape: (n,) indices of SHAPES."""
    u, v, r = frame
    square, wide, high = u * u + v * v, abs(u), abs(v)
    kinds: tuple[Callable[[Any], NDArray[np.bool_]], ...] = (
        lambda k: square[k] <= r[k] * r[k] * 13 // 16,
        lambda k: np.maximum(wide[k], high[k]) <= r[k] * 13 // 16,
        lambda k: (v[k] <= r[k] * 9 // 16) & (7 * wide[k] - 4 * v[k] <= r[k] * 73 // 16),
        lambda k: (np.minimum(wide[k], high[k]) <= r[k] * 6 // 16) & (np.maximum(wide[k], high[k]) <= r[k] * 17 // 16),
        lambda k: (square[k] <= r[k] * r[k]) & (square[k] >= r[k] * r[k] // 4),
    )
    inside = np.empty(u.shape, np.bool_)
    for number, kind in enumerate(kinds):
        members = np.flatnonzero(shape == number)
        inside[members] = kind(members)
    return inside


def _textured(texture: NDArray[Any], frame: _Frame, bands: Ints) -> NDArray[np.bool_]:
    """(n, 32, 32), True where the second colour is. texture: (n,) indices of TEXTURES; bands: (n, 1, 1), see _bands."""
    number = (frame.u * bands) >> 16
    down = (frame.v * bands) >> 16
    down[texture == 0] = 0
    return ((number ^ down) & 1).astype(np.bool_)


def _colours(random: np.random.RandomState) -> tuple[Ints, Ints]:
    """Two colours for each image that differ well in brightness: (n, 3, 1, 1) each."""
    first = random.randint(20, 236, (_CHUNK, 3, 1, 1)).astype(np.int32)
    step = random.randint(30, 80, (_CHUNK, 3, 1, 1)).astype(np.int32)
    away = np.where(first.mean(1, keepdims=True) < 128, 1, -1).astype(np.int32)
    return first, first + away * step


def _paint(images: NDArray[np.int16], where: NDArray[np.bool_], second: NDArray[np.bool_], colours: Any) -> None:
    one, two = colours
    np.copyto(images, np.where(second[:, None], two, one).astype(np.int16), where=where[:, None])


def _draw_clutter(images: NDArray[np.int16], random: np.random.RandomState) -> None:
    """In each image a small plain shape, or a strip with a texture."""
    frame = _frame(random, 2, 4, 0)
    strip = random.randint(0, 2, (_CHUNK, 1, 1)) == 1
    shape, texture = random.randint(0, len(SHAPES), _CHUNK), random.randint(0, len(TEXTURES), _CHUNK)
    bar = (abs(frame.v) <= frame.radius * 3 // 4) & (abs(frame.u) <= frame.radius * 2)
    second = _textured(texture, frame, _bands(random)) & strip
    _paint(images, np.where(strip, bar, _inside(shape, frame)), second, _colours(random))


def _draw_object(images: NDArray[np.int16], labels: NDArray[Any], random: np.random.RandomState) -> NDArray[np.bool_]:
    frame = _frame(random, 5, 10, 8)
    mask = _inside(labels // len(TEXTURES), frame)
    _paint(images, mask, _textured(labels % len(TEXTURES), frame, _bands(random)), _colours(random))
    return mask


def _bands(random: np.random.RandomState) -> Ints:
    """65,536 over the width of a band, which is 2 to 3 pixels: multiplying takes a fraction of the time of dividing."""
    return (2**16 // random.randint(2 * _UNIT, 3 * _UNIT + 1, (_CHUNK, 1, 1))).astype(np.int32)
