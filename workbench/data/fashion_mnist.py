"""Fashion-MNIST: clothes in MNIST's clothes."""

from __future__ import annotations

from ..core.progress import Progress
from ._dataset import Dataset, DatasetInfo
from ._idx import IdxSet, remotes

INFO = DatasetInfo(
    name="fashion_mnist",
    title="Fashion-MNIST",
    description="70,000 pictures of clothes, 28x28 grey, harder than digits; 5,000 of the 60,000 training images are "
    "set aside for validation, by class, and the official test set is the test set.",
    input_shape=(1, 28, 28),
    classes=(
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
    sizes={"train": 55000, "validation": 5000, "test": 10000},
    source="Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747.",
)  # fmt: skip
_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)
_KNOWN = (
    (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
    (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
    (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
)
_SET = IdxSet(INFO, "FashionMNIST", remotes(_MIRRORS, _KNOWN))
missing = _SET.missing


def load(argument: str, progress: Progress) -> Dataset:
    """From the four idx files, which are downloaded where they are missing."""
    return _SET.load(progress)
