"""The handwritten digits that come with scikit-learn: 1,797 real ones, so that everything runs offline."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.context import Batch
from ..core.progress import Progress
from ._dataset import SPLITS, Dataset, DatasetInfo

CLASSES = tuple("0123456789")
SIZE = 28
_SEED = 1998

INFO = DatasetInfo(
    name="digits",
    title="Handwritten digits (scikit-learn)",
    description="1,797 real digits of 13 writers, 8x8 in 17 grey levels, enlarged to 28x28. The split is stratified by "
    "class, not by writer, so test accuracy speaks of known writers.",
    input_shape=(1, SIZE, SIZE),
    classes=CLASSES,
    sizes={"train": 1078, "validation": 360, "test": 359},
    source="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI; from scikit-learn's load_digits.",
)


def load(argument: str, progress: Progress) -> Dataset:
    """The digits, split 60/20/20 within each class; the same split everywhere."""
    small, target = read()
    images, labels = enlarged(small), torch.from_numpy(target)
    parts = split_by_class(target)
    train, validation, test = (Batch(images[part], labels[part]) for part in parts)
    return Dataset("digits", INFO.title, CLASSES, INFO.input_shape, train, validation, test)


def read() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(images (n, 8, 8) in [0, 16], labels (n,)) of scikit-learn's `load_digits`.

    Its file is read here: importing scikit-learn for that takes 0.7 s and 80 MB of every page.
    """
    found = importlib.util.find_spec("sklearn")
    assert found is not None and found.submodule_search_locations, "scikit-learn comes with the workbench"
    path = Path(found.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]


def enlarged(images: NDArray[Any]) -> torch.Tensor:
    """Bilinear enlargement in whole numbers, so that every machine gets the same bits.

    images: (n, 8, 8) integers in [0, 16] -> (n, 1, 28, 28) float32 in [0, 1].
    """
    small = images.astype(np.int64)
    spread = _spread(small.shape[-1], SIZE)
    large = spread @ small @ spread.T
    return torch.from_numpy((large / np.float64(16 * (2 * SIZE) ** 2)).astype(np.float32))[:, None]


def split_by_class(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Ascending indices of train, validation and test: 60, 20 and 20 % of every class. labels: (n,) integers."""
    random = np.random.RandomState(_SEED)  # this generator's stream is frozen by NumPy's policy
    parts: list[list[NDArray[np.int64]]] = [[] for _ in SPLITS]
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        cuts = [round(0.6 * len(members)), round(0.8 * len(members))]
        for part, chosen in zip(parts, np.split(members, cuts), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) for part in parts]


def _spread(small: int, large: int) -> NDArray[np.int64]:
    """Bilinear weights in units of 1 / (2 * large), edges held: (large, small)."""
    position = np.clip((2 * np.arange(large) + 1) * small - large, 0, 2 * large * (small - 1))
    left, share = position // (2 * large), position % (2 * large)
    weights = np.zeros((large, small), np.int64)
    weights[np.arange(large), left] = 2 * large - share
    weights[np.arange(large), np.minimum(left + 1, small - 1)] += share
    return weights
