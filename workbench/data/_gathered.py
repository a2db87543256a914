"""A map-style dataset, fetched item by item into one array: bytes where nothing is lost by that, else floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ._arrays import CHUNK, channels_first, check_kind, tensor_of
from ._images import flat, is_grey_mode


class Gathered:
    """images: (n, c, h, w); labels: (n,) int64; left_out: items that could not be fetched, with the reason.

    WorkbenchError when what was fetched is no image with a label, or not of the same shape as those before it.
    """

    def __init__(self, data: Any, owner: str, progress: Progress) -> None:
        self._owner, self._length = owner, len(data)
        self._images: Tensor | None = None
        self._labels: list[int] = []
        self.left_out: list[str] = []
        for number in range(self._length):
            if number % CHUNK == 0:
                progress(f"Fetching the images of {owner}", number / self._length)
            try:
                item = data[number]
            except Exception as error:  # whatever somebody's own code raises, the other items are still there
                self.left_out.append(f"item {number}: {_reason(error)}")
            else:
                self._add(number, item)

    @property
    def images(self) -> Tensor:
        if self._images is None:
            broken = f" (every item failed, such as {self.left_out[0]})" if self.left_out else ""
            raise WorkbenchError(f"{self._owner}: there are no images in it{broken}.")
        return self._images[: len(self._labels)]

    @property
    def labels(self) -> Tensor:
        return torch.tensor(self._labels, dtype=torch.int64)

    def _add(self, number: int, item: Any) -> None:
        if not isinstance(item, Sequence) or isinstance(item, str | bytes) or len(item) < 2:
            kind = type(item).__name__
            raise WorkbenchError(f"{self._owner}: every item must be (image, label); item {number} is a {kind}.")
        image, label = self._image(number, item[0]), self._label(number, item[1])
        kept = self._room_for(number, image)
        kept[len(self._labels)] = image if kept.dtype == image.dtype else _as(image, kept.dtype)
        self._labels.append(label)

    def _image(self, number: int, image: Any) -> Tensor:
        """(c, h, w)."""
        if isinstance(image, Image.Image):
            pixels = torch.from_numpy(np.array(flat(image, 1 if is_grey_mode(image.mode) else 3)))
            return pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0)
        if not isinstance(image, Tensor | np.ndarray):
            raise WorkbenchError(
                f"{self._owner}: an image must be a PIL image, a tensor or an array; that of item {number} is a "
                f"{type(image).__name__}."
            )
        found = tensor_of(image, self._owner, "images")
        check_kind(found, self._owner)
        if found.ndim not in (2, 3):
            raise WorkbenchError(
                f"{self._owner}: an image must have the shape (channels, height, width), (height, width, channels) or "
                f"(height, width); that of item {number} has {tuple(found.shape)}."
            )
        return found[None] if found.ndim == 2 else channels_first(found, isinstance(image, np.ndarray))

    def _label(self, number: int, label: Any) -> int:
        if isinstance(label, Tensor | np.ndarray) and label.ndim == 0:
            label = label.item()
        if isinstance(label, bool | np.bool_) or not isinstance(label, int | np.integer):
            said = f"{str(label)[:40]!r}"
            raise WorkbenchError(f"{self._owner}: labels must be integers; that of item {number} is {said}.")
        return int(label)

    def _room_for(self, number: int, image: Tensor) -> Tensor:
        """The array, made by the first image, and remade for colours after greys and for floats after bytes."""
        kept, new, bytes_do = self._images, tuple(image.shape), _are_bytes(image)
        if kept is None:
            kept = torch.empty((self._length, *new), dtype=torch.uint8 if bytes_do else torch.float32)
        here = tuple(kept.shape[1:])
        if here[0] == 1 and new == (3, *here[1:]):
            kept = kept.repeat(1, 3, 1, 1)
        elif here not in (new, (3, *new[1:])) or (here != new and new[0] != 1):
            raise WorkbenchError(
                f"{self._owner}: every image must have the same shape; item {number} has {new} and those before it "
                f"have {here}: let the dataset resize them."
            )
        if kept.dtype == torch.uint8 and not bytes_do:
            kept = _as(kept, torch.float32)
        self._images = kept
        return kept


def _are_bytes(image: Tensor) -> bool:
    """Whether bytes hold it without loss, as they do what became of an image divided by 255."""
    if image.dtype == torch.uint8:
        return True
    # NumPy: for so few values torch's threads cost more than the work, and a hundred times more on a busy machine.
    values = image.float().numpy()
    if not 0 <= values.min() <= values.max() <= 1:
        return False
    return np.array_equal(np.rint(values * 255) / np.float32(255), values)


def _as(images: Tensor, kind: torch.dtype) -> Tensor:
    """Bytes as floats in [0, 1], or the other way round."""
    if kind == torch.uint8:
        return torch.from_numpy(np.rint(images.float().numpy() * 255).astype(np.uint8))
    return images.to(kind).div_(255) if images.dtype == torch.uint8 else images.to(kind)


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split())[:120]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
