"""Would an untrained network get the same picture? Then the picture does not show what was learnt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ..core.attribution import Randomised, Stage
from ..core.compressed import copied
from ..core.progress import Progress
from .attribution import answers_of, flat_maps
from .likeness import rank_correlation

STAGES, DRAWS = 5, 3


def randomised(
    method: str,
    network: nn.Module,
    image: Tensor,
    *,
    index: int | None = 0,
    target: int | None = None,
    progress: Progress,
) -> Iterator[Randomised]:
    """Growing: more and more of the last layers get random weights, up to all of them. Adebayo et al. 2018, cascading.

    image: (c, h, w); target: the network's answer when None. DRAWS draws at each of at most STAGES stages; maps are
    compared by the ranks of their strengths. WorkbenchError where the method is off; Cancelled.
    """
    targets = answers_of(network, image[None]) if target is None else torch.tensor([target])
    layers = len(_holders(network))
    ends = sorted({round(layers * (i + 1) / STAGES) or 1 for i in range(STAGES)})
    trained = flat_maps(method, network, image[None], targets, progress.part(0.0, 1 / (len(ends) * DRAWS + 1)))[0]
    found = Randomised(method, index, int(targets[0]), layers, ())
    for i, end in enumerate(ends):
        values = []
        for draw in range(DRAWS):
            progress(f"{end} of {layers} layers with random weights", (i * DRAWS + draw + 1) / (len(ends) * DRAWS + 1))
            quiet = Progress(cancelled=progress.cancelled)
            other = flat_maps(method, forgotten(network, end, draw), image[None], targets, quiet)[0]
            values.append(rank_correlation(np.abs(trained), np.abs(other)))
        found = Randomised(method, index, found.target, layers, (*found.stages, Stage(end, tuple(values))))
        yield found


def forgotten(network: nn.Module, last: int, seed: int) -> nn.Module:
    """A copy whose `last` last layers have random weights: as their own initialisation draws them where they have one,
    else normal with the spread that they had.
    """
    twin = copied(network)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        holders = _holders(twin)
        for module in holders[len(holders) - last :]:
            if callable(start := getattr(module, "reset_parameters", None)):
                start()
            else:
                for weight in module.parameters(recurse=False):
                    weight.normal_(0, float(weight.std(correction=0)))
    return twin


def _holders(network: nn.Module) -> list[nn.Module]:
    """Modules with parameters of their own, in their order."""
    return [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None]
