"""What every unit answers to a sample of images, as its readers see it, and which units answer alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.progress import Progress
from ..core.units import Neighbour, Responses
from ..core.values import Array
from ..measure.evaluate import device_of, fast_copy, laid_out
from ..methods.prune._maps import per_map

PLACES = 16
"""Places of each map that are compared; many images make up for it."""


class LayerResponses(NamedTuple):
    """Of one layer. peaks, lows: highest and lowest answer in each image, places: where the highest is (images, units).

    places count through the map row by row. cosines, correlations: of the nearest units by weights and by responses,
    nan where one always answers the same: (2, units); nearest: which those are.
    """

    peaks: Array
    lows: Array
    places: Array
    nearest: Array
    cosines: Array
    correlations: Array

    def of(self, unit: int) -> Responses:
        """What readers see of one unit."""
        peaks, lows = self.peaks[:, unit], self.lows[:, unit]
        active = int(np.count_nonzero((peaks != 0) | (lows != 0)))
        return Responses(len(peaks), active, float(lows.min()), float(peaks.max()))

    def neighbours(self, unit: int) -> tuple[Neighbour, ...]:
        """The nearest by weights and by responses, one where that is the same unit."""
        found = [self._neighbour(i, by, unit) for i, by in enumerate(("weights", "responses"))]
        return tuple(found[:1] if found[0].unit == found[1].unit else found)

    def twins(self, most: int = 3) -> tuple[Neighbour, ...]:
        """The pairs that answer most alike, each once."""
        order = np.argsort(-np.nan_to_num(self.correlations[1], nan=-2.0), kind="stable")
        pairs: dict[frozenset[int], Neighbour] = {}
        for unit in map(int, order):
            pairs.setdefault(frozenset((unit, int(self.nearest[1, unit]))), self._neighbour(1, "responses", unit))
        alike = [pair for pair in pairs.values() if pair.correlation is not None]
        return tuple(alike[:most])

    def _neighbour(self, i: int, by: str, unit: int) -> Neighbour:
        correlation = float(self.correlations[i, unit])
        known = None if np.isnan(correlation) else correlation
        return Neighbour(unit, int(self.nearest[i, unit]), by, float(self.cosines[i, unit]), known)


def responses(
    network: nn.Module, images: Tensor, names: Sequence[str], progress: Progress
) -> dict[str, LayerResponses]:
    """Of all layers named, in one pass. images: (n, channels, height, width). Raises Cancelled within one chunk."""
    runner = fast_copy(network)
    found = per_map(runner, laid_out(images, device_of(runner)), names, _looked, progress)
    return {name: _of(network, name, values.float()) for name, values in found.items() if values.ndim == 3}


def nearest_by_weights(network: nn.Module, layer: str, unit: int) -> tuple[Neighbour, ...]:
    """The unit whose weights point most nearly the same way; none in a layer of a single unit."""
    alike = _cosines(_weights(network, layer))
    return tuple(_nearest(unit, alike[unit])) if len(alike) > 1 else ()


def _nearest(unit: int, cosines: Tensor) -> Iterator[Neighbour]:
    others = cosines.clone()
    others[unit] = -2.0
    best = int(others.argmax())
    yield Neighbour(unit, best, "weights", float(cosines[best]))


def _looked(maps: Tensor) -> Tensor:
    """(n, units, ...) -> (n, units, 3 + places): highest, lowest, where the highest is, and some of the answers."""
    flat = maps.flatten(2) if maps.ndim > 2 else maps[..., None]
    peak, place = flat.max(2, keepdim=True)
    drawn = torch.randperm(flat.shape[2], generator=torch.Generator().manual_seed(0))[:PLACES]
    return torch.cat([peak, flat.amin(2, keepdim=True), place.to(flat.dtype), flat[:, :, drawn]], 2)


def _of(network: nn.Module, name: str, values: Tensor) -> LayerResponses:
    samples = values[:, :, 3:].transpose(0, 1).flatten(1)
    cosines, correlations = _cosines(_weights(network, name)), _correlations(samples)
    units = torch.arange(len(cosines))
    nearest = torch.stack([_best(cosines), _best(correlations.nan_to_num(nan=-2.0))])
    return LayerResponses(
        peaks=values[:, :, 0].numpy().astype(np.float32),
        lows=values[:, :, 1].numpy().astype(np.float32),
        places=values[:, :, 2].round().numpy().astype(np.int64),
        nearest=nearest.numpy(),
        cosines=torch.stack([cosines[units, own] for own in nearest]).numpy(),
        correlations=torch.stack([correlations[units, own] for own in nearest]).numpy(),
    )


def _weights(network: nn.Module, layer: str) -> Tensor:
    weight = network.get_submodule(layer).weight
    assert isinstance(weight, Tensor)
    return weight.detach().flatten(1).double()


def _cosines(rows: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(rows, dim=1, eps=1e-30)
    return unit @ unit.T


def _correlations(samples: Tensor) -> Tensor:
    """Pearson's, (units, units); nan for a unit that always answers the same."""
    centred = samples.double() - samples.double().mean(1, keepdim=True)
    constant = samples.amax(1) == samples.amin(1)
    found = _cosines(centred)
    found[constant] = torch.nan
    found[:, constant] = torch.nan
    return found


def _best(alike: Tensor) -> Tensor:
    others = alike.clone()
    others.fill_diagonal_(-3.0)
    return others.argmax(1)
