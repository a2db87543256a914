"""What a network is made of, by the names that a person gives."""

from __future__ import annotations

from ..core.progress import Progress
from ..data import datasets, load_dataset
from ..measure.anatomy import Anatomy, anatomy
from ..networks import build
from .named import network_from


def anatomy_named(network: str, dataset: str, *, seed: int = 0, progress: Progress | None = None) -> Anatomy:
    """The anatomy of a network for the images of a dataset, which is only loaded where its shape is not known.

    network: as `network_from` takes it. Raises WorkbenchError.
    """
    known = datasets().get(dataset)
    name = network_from(network, dataset, seed=seed, progress=progress)
    about = known if known is not None and known.classes else load_dataset(dataset, progress)
    shape = tuple(about.input_shape)
    return anatomy(build(name, seed, input_shape=shape, classes=len(about.classes)), shape)
