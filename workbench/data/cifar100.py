"""CIFAR-100 from its authors' binary files, with the hundred fine labels."""

from __future__ import annotations

from ..core.progress import Progress
from ._cifar import CifarSet
from ._dataset import Dataset, DatasetInfo
from ._download import Remote
from ._places import bases

_CLASSES = """
apple, aquarium fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge, bus, butterfly, camel,
can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud, cockroach, couch, crab, crocodile, cup, dinosaur,
dolphin, elephant, flatfish, forest, fox, girl, hamster, house, kangaroo, keyboard, lamp, lawn mower, leopard, lion,
lizard, lobster, man, maple tree, motorcycle, mountain, mouse, mushroom, oak tree, orange, orchid, otter, palm tree,
pear, pickup truck, pine tree, plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray, road, rocket, rose, sea,
seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel, streetcar, sunflower, sweet pepper, table, tank,
telephone, television, tiger, tractor, train, trout, tulip, turtle, wardrobe, whale, willow tree, wolf, woman, worm
"""

INFO = DatasetInfo(
    name="cifar100",
    title="CIFAR-100",
    description="60,000 colour photographs, 32x32, of a hundred kinds of things; 5,000 of the 50,000 training images "
    "are set aside for validation, by class, and the official test set is the test set.",
    input_shape=(3, 32, 32),
    classes=tuple(" ".join(name.split()) for name in _CLASSES.split(",")),
    sizes={"train": 45000, "validation": 5000, "test": 10000},
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images.",
)
_SET = CifarSet(
    INFO,
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    label_bytes=2,
    remote=Remote(
        "cifar-100-binary.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
        168_513_733,
        "03b5dce01913d631647c71ecec9e9cb8",
    ),
    python="cifar-100-python",
)


def missing() -> str:
    """Why it cannot be loaded without a download, or ""."""
    wanted = f"not on this machine yet: it is downloaded (169 MB) when it is first used, or {_SET.advice()}"
    return "" if any(map(_SET.found, bases("cifar100"))) else wanted


def load(argument: str, progress: Progress) -> Dataset:
    """From the first folder that has it, else from the net."""
    found = next(filter(None, map(_SET.found, bases("cifar100"))), None)
    return _SET.dataset(found or _SET.download(progress), progress)
