"""The dense network and its data: what an experiment is about, loaded once per process."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from torch import nn

from .. import __version__
from ..core.context import Batch, Context, Fit
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.recipe import Recipe
from ..core.records import Accuracy
from ..data import Dataset, load_dataset
from ..measure.accuracy import accuracy
from ..networks import NetworkSpec, digest_of, network_named, pretrained, weights_stamp
from ..train.recovery import fitter


@dataclass(frozen=True, eq=False)
class Subject:
    """network: dense, trained, never changed. fingerprint: of everything that a measurement rests on but the recipe.

    weights: digest of them; identity: what tells the code of an adopted network from another version of it.
    """

    name: str
    network: nn.Module
    dataset: Dataset
    fit: Fit
    calibration: Batch
    weights: str
    identity: str = ""
    _dense: dict[str, Accuracy] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        network = self.weights + (f"/{self.identity}" if self.identity else "")
        return f"{__version__}/{network}/{self.dataset.digest[:16]}"

    @property
    def classes(self) -> int:
        return len(self.dataset.classes)

    def context(self, recipe: Recipe, progress: Progress) -> Context:
        """What every step of `recipe` may use."""
        return Context(
            input_shape=self.dataset.input_shape,
            seed=recipe.seed,
            calibration=self.calibration,
            teacher=self.network,
            networks=lambda name: subject_named(name, self.dataset.name, progress).network,
            fit=self.fit,
            progress=progress,
        )

    def dense_accuracy(self, split: str) -> Accuracy:
        """Of the dense network on the whole split; measured once."""
        if split not in self._dense:
            self._dense[split] = accuracy(self.network, self.dataset.split(split), split=split)
        return self._dense[split]


def subject_named(network: str, dataset: str, progress: Progress | None = None) -> Subject:
    """The trained network and its data by name, made once; WorkbenchError says what there is.

    Data that are used for the first time may have to be downloaded and decoded, which `progress` hears of. Raises
    Cancelled.
    """
    spec = network_named(network)
    data = load_dataset(dataset, progress)
    if why := spec.fits(data.input_shape, len(data.classes)):
        raise WorkbenchError(f"{network} cannot be used on {dataset}: {why}.")
    return _subject(network, data, spec, weights_stamp(network, dataset))


def stamp_of(network: str, dataset: str) -> tuple[object, ...]:
    """Another one as soon as the names mean another network, other weights or other data; takes microseconds.

    For names whose data are loaded; WorkbenchError as for `subject_named`.
    """
    return network_named(network), load_dataset(dataset), weights_stamp(network, dataset)


@lru_cache(maxsize=8)
def _subject(network: str, data: Dataset, spec: NetworkSpec, _weights: str) -> Subject:
    """spec: a network that is adopted anew under the same name has another one."""
    dense = pretrained(network, data.name, input_shape=data.input_shape, classes=len(data.classes))
    dense.requires_grad_(False)
    return Subject(
        name=network,
        network=dense,
        dataset=data,
        fit=fitter(data),
        calibration=data.calibration(n=256, seed=0),
        weights=digest_of(dense),
        identity=spec.identity,
    )
