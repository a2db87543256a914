"""MNIST, as its authors published it."""

from __future__ import annotations

from ..core.progress import Progress
from ._dataset import Dataset, DatasetInfo
from ._idx import IdxSet, remotes

INFO = DatasetInfo(
    name="mnist",
    title="MNIST",
    description="70,000 handwritten digits, 28x28 grey; 5,000 of the 60,000 training images are set aside for "
    "validation, by class, and the official test set is the test set.",
    input_shape=(1, 28, 28),
    classes=tuple("0123456789"),
    sizes={"train": 55000, "validation": 5000, "test": 10000},
    source="LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition.",
)
_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_KNOWN = (
    (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
    (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
)
_SET = IdxSet(INFO, "MNIST", remotes(_MIRRORS, _KNOWN))
missing = _SET.missing


def load(argument: str, progress: Progress) -> Dataset:
    """From the four idx files, which are downloaded where they are missing."""
    return _SET.load(progress)
