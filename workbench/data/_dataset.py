"""What a dataset is: three fixed splits, and a description that costs nothing to list."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.context import Batch
from ..core.errors import WorkbenchError
from ._cache import Stored
from ._picture import picture
from ._pixels import Held, Pixels

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetInfo:
    """One row of the list of datasets; made without loading the data.

    argument: what follows a colon in the dataset's name ("PATH" in folder:PATH), empty when nothing does. Such a name
    may reach any file, so it is for the person at the keyboard only and never taken from a page's visitor.
    input_shape: (channels, height, width); sizes: images per split. Both are empty when they depend on the argument.
    """

    name: str
    title: str
    description: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    sizes: dict[str, int]
    source: str
    argument: str = ""

    def available(self) -> str:
        """Why the data cannot be loaded now without a download, in words that end a sentence; "" when they can."""
        try:
            return self._asked("missing")
        except WorkbenchError as error:  # about the folder that was named
            return str(error).rstrip(".")

    def found(self) -> str:
        """The title of what lies on this machine, where the data are known in more than one form, else ""."""
        try:
            return self._asked("found")
        except WorkbenchError:
            return ""

    def _asked(self, question: str) -> str:
        if "/" in self.name:
            return ""  # adopted: it is in memory
        answer = getattr(importlib.import_module(f"{__package__}.{self.name}"), question, None)
        return "" if answer is None else str(answer())


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in [0, 1] with labels in [0, len(classes)). Shared by everyone in the process: not to be changed.

    Images may be a Pixels: rows picked from it are ordinary tensors. masks: by split, (n, height, width) bool, True on
    the object that the label names; empty where nobody knows. source: where these very images are from, when it is
    not what the list says. notes: sentences about what was found; left_out: files that are no readable image.
    content: the digest where it is known beforehand. normalised: the images came around 0 and are used as they are.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    train: Batch
    validation: Batch
    test: Batch
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    content: str = ""
    normalised: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes as they are read away from the data, beside numbers that were measured on them."""
        return tuple(f"{self.title}: {note}" for note in self.notes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content (shapes, pixels and labels of the three splits), in hexadecimal."""
        if self.content:
            return self.content
        digest = hashlib.sha256()
        for name in SPLITS:
            images, labels = self.split(name).images.numpy(), self.split(name).labels.numpy()
            digest.update(repr((name, images.shape)).encode())
            digest.update(np.ascontiguousarray(images, "<f4").tobytes())
            digest.update(np.ascontiguousarray(labels, "<i8").tobytes())
        return digest.hexdigest()

    def picture(self, content: bytes) -> Tensor:
        """A picture that somebody brings, as an image of this dataset; WorkbenchError in one sentence."""
        if self.normalised:
            raise WorkbenchError(f"The images of {self.name} came normalised, and how is not known for a new picture.")
        return picture(content, self.input_shape)

    def split(self, name: str) -> Batch:
        """train, validation or test; WorkbenchError for any other name."""
        if name not in SPLITS:
            raise WorkbenchError(f"There is no split {name!r}; there are {', '.join(SPLITS)}.")
        batch = getattr(self, name)
        assert isinstance(batch, Batch)
        return batch

    def calibration(self, n: int = 256, seed: int = 0) -> Batch:
        """`n` training images without repetition (all when there are fewer), the same ones for the same seed."""
        order = torch.randperm(len(self.train.labels), generator=torch.Generator().manual_seed(seed))[:n]
        return Batch(self.train.images[order], self.train.labels[order])


def assembled(found: Stored, **about: Any) -> Dataset:
    """The dataset of arrays `images` (m, c, h, w), `labels` (m,) and the rows of each split, `train` (n,) and so on.

    about: fields of Dataset; what `found.about` says under the same names comes before them. An array `masks`
    (m, h, w) is taken along.
    """
    images, labels = (torch.from_numpy(found.arrays[name]) for name in ("images", "labels"))
    rows = {split: torch.from_numpy(found.arrays[split]) for split in SPLITS}
    batches = {split: Batch(Pixels(Held(images, rows[split])), labels[rows[split]]) for split in SPLITS}
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in found.about.items()}
    made = Dataset(**{"input_shape": tuple(images.shape[1:]), "content": found.digest, **about, **known, **batches})
    if "masks" in found.arrays:
        masks = torch.from_numpy(found.arrays["masks"])
        made = replace(made, masks={split: masks[rows[split]].bool() for split in SPLITS})
    return replace(made, notes=(*made.notes, found.note)) if found.note else made
