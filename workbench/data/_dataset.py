"""What a dataset is: three fixed splits, and a description that costs nothing to list."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..core.context import Batch
from ..core.errors import WorkbenchError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetInfo:
    """One row of the list of datasets; made without loading the data.

    argument: what follows a colon in the dataset's name ("PATH" in folder:PATH), empty when nothing does.
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


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in [0, 1] with labels in [0, len(classes)). Shared by everyone in the process: not to be changed."""

    name: str
    title: str
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    train: Batch
    validation: Batch
    test: Batch

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shapes, pixels and labels of the three splits, in hexadecimal."""
        digest = hashlib.sha256()
        for name in SPLITS:
            images, labels = self.split(name).images.numpy(), self.split(name).labels.numpy()
            digest.update(repr((name, images.shape)).encode())
            digest.update(np.ascontiguousarray(images, "<f4").tobytes())
            digest.update(np.ascontiguousarray(labels, "<i8").tobytes())
        return digest.hexdigest()

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
