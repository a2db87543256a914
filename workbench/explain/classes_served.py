"""Which classes the units of a layer serve: captum's LayerConductance of each class's own score.

The score that an image gains on the way from a black one flows through the units of the layer; conductance says how
much of it through each. Dhamdhere, Sundararajan and Yan 2018, arXiv:1805.12233.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.context import Batch
from ..core.progress import Progress
from ..core.units import Served
from ..core.values import Array
from ..measure.evaluate import evaluating

STEPS = 12
CHUNK = 64
IMAGES = 40
"""Of all classes together; one of each at least."""
CLASSES = 20


class Conductance(NamedTuple):
    """targets: the classes that were looked at, (k,); each: logits, (k, units); n: images of each class, (k,).

    reason: why nothing is known, or "".
    """

    targets: Array
    each: Array
    n: Array
    reason: str = ""

    def of(self, unit: int) -> tuple[Served, ...]:
        """What one unit adds to each class's score."""
        rows = zip(
            self.targets.tolist(), self.each[:, unit].tolist(), self.each.sum(1).tolist(), self.n.tolist(), strict=True
        )
        return tuple(Served(*row) for row in rows)


def conductance(
    network: nn.Module, layer: str, batch: Batch, targets: Sequence[int], progress: Progress
) -> Conductance:
    """Of all units of a layer. targets: classes, of each of which the first images of `batch` are explained.

    Raises Cancelled within one chunk of the way.
    """
    from captum.attr import LayerConductance  # slow to load, and most sessions start without it

    chosen = [_rows(batch, target, len(targets)) for target in targets]
    rows = torch.cat(chosen)
    images, labels = batch.images[rows], batch.labels[rows]
    method = LayerConductance(_watched(network, progress, len(rows)), network.get_submodule(layer))
    try:
        with evaluating(network), torch.enable_grad():
            found = method.attribute(
                images, baselines=0.0, target=labels, n_steps=STEPS, internal_batch_size=max(CHUNK, 2 * len(rows))
            )
    except (RuntimeError, AssertionError) as error:  # captum on anybody's network
        none = np.zeros(0)
        return Conductance(none, none, none, reason=str(error).splitlines()[0].rstrip("."))
    assert isinstance(found, Tensor)
    units = _per_unit(found.detach(), network.get_submodule(layer))
    each = torch.stack([part.mean(0) for part in torch.split(units, [len(own) for own in chosen])])
    n = np.array([len(own) for own in chosen])
    return Conductance(np.array(list(targets)), each.double().numpy(), n)


def targets_of(batch: Batch, hurt: Sequence[float]) -> list[int]:
    """The classes to look at: all that have images, or those with the largest change in `hurt` where they are many."""
    there = sorted(set(batch.labels.tolist()))
    size = {c: abs(hurt[c]) if c < len(hurt) else 0.0 for c in there}
    return sorted(sorted(there, key=lambda c: -size[c])[:CLASSES])


def _rows(batch: Batch, target: int, targets: int) -> Tensor:
    return torch.nonzero(batch.labels == target).flatten()[: max(1, IMAGES // targets)]


def _per_unit(found: Tensor, module: nn.Module) -> Tensor:
    """(n, units, ...) or, of a linear layer, (n, ..., units) -> (n, units)."""
    last = isinstance(module, nn.Linear) and found.ndim > 2
    found = found.movedim(-1, 1) if last else found
    return found.flatten(2).sum(2) if found.ndim > 2 else found


def _watched(network: nn.Module, progress: Progress, images: int) -> Callable[[Tensor], Tensor]:
    """The forward pass, which reports how many of the passes are done and stops when cancelled."""
    done, total = 0, max(1, images * STEPS)

    def forward(given: Tensor) -> Tensor:
        nonlocal done
        progress("Which classes it serves", min(1.0, done / total))
        done += len(given)
        answer = network(given)
        assert isinstance(answer, Tensor)
        return answer

    return forward
