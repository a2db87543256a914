"""Does a map tell what its network does? Take away what it calls important, and see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..core.attribution import Curve, Faithfulness, Trust
from ..core.progress import Progress
from ..core.values import Array
from .attribution import answers_of, effect_maps, flat_maps
from .rules import constant

STEPS = 24
"""Points of a curve, besides its start."""
ORDERS = 6
"""Random orders that the curves are compared with."""
SQUARES = 160
RADIUS = 0.02
"""Of the change of brightness under which a map should stay the same; captum's default too."""
NEIGHBOURS = 8
_CHUNK = 64

Probability = Callable[[Tensor], Array]
"""(n, c, h, w) -> (n,) of the class that is explained."""


def faithfulness(
    method: str,
    dense: nn.Module,
    compressed: nn.Module,
    image: Tensor,
    *,
    index: int | None = 0,
    target: int | None = None,
    progress: Progress,
) -> Iterator[Faithfulness]:
    """Growing: the dense network's curves, the compressed one's, then the infidelity and the sensitivity of both.

    image: (c, h, w); target: the dense network's answer when None. WorkbenchError where the method is off; Cancelled.
    """
    explained = int(answers_of(dense, image[None])[0]) if target is None else target
    before = _curves(method, dense, image, explained, progress.part(0.0, 0.2, "dense: "))
    found = Faithfulness(method, index, explained, before)
    yield found
    after = _curves(method, compressed, image, explained, progress.part(0.2, 0.4, "compressed: "))
    found = replace(found, compressed=after)
    yield found
    first = _complete(before, method, dense, image, explained, progress.part(0.4, 0.7, "dense: "))
    yield replace(found, dense=first)
    second = _complete(after, method, compressed, image, explained, progress.part(0.7, 1.0, "compressed: "))
    yield replace(found, dense=first, compressed=second)


def _curves(method: str, network: nn.Module, image: Tensor, target: int, progress: Progress) -> Trust:
    effect = effect_maps(method, network, image[None], torch.tensor([target]), progress.part(0.0, 0.3))[0]
    probability = _probability(network, target, progress.part(0.3, 1.0))
    order = np.argsort(-effect.reshape(-1), kind="stable")
    down, up = deletion(probability, image, order), insertion(probability, image, order)
    random = np.random.default_rng(0)
    falls = [deletion(probability, image, random.permutation(order.size)) for _ in range(ORDERS)]
    fall = tuple(np.mean([curve.values for curve in falls], 0).tolist())
    # What a random order puts back, another one leaves: the same curve, read from its end.
    return Trust(down, up, Curve(down.shares, fall), Curve(down.shares, fall[::-1]))


def _complete(trust: Trust, method: str, network: nn.Module, image: Tensor, target: int, progress: Progress) -> Trust:
    targets = torch.tensor([target])
    effect = effect_maps(method, network, image[None], targets, progress.part(0.0, 0.2))[0]
    missed = infidelity(_score(network, target, progress.part(0.2, 0.5)), image, effect)

    def explain(images: Tensor) -> Array:
        return flat_maps(method, network, images, targets.expand(len(images)), progress.part(0.5, 1.0))

    return replace(trust, infidelity=missed, sensitivity=sensitivity(explain, image))


def deletion(probability: Probability, image: Tensor, order: Array, steps: int = STEPS) -> Curve:
    """Pixels go to black in this order. order: a permutation of height * width. Petsiuk et al. 2018, RISE."""
    return _curve(probability, image, order, steps, keep=False)


def insertion(probability: Probability, image: Tensor, order: Array, steps: int = STEPS) -> Curve:
    """Pixels of a black image come back in this order."""
    return _curve(probability, image, order, steps, keep=True)


def _curve(probability: Probability, image: Tensor, order: Array, steps: int, keep: bool) -> Curve:
    pixels = order.size
    taken = np.unique(np.linspace(0, pixels, min(steps, pixels) + 1).round().astype(int))
    rank = torch.from_numpy(np.argsort(order)).reshape(image.shape[-2:])
    first = rank[None] < torch.from_numpy(taken)[:, None, None]
    values = probability(image * (first if keep else ~first)[:, None])
    return Curve(tuple((taken / pixels).tolist()), tuple(map(float, values)))


def infidelity(score: Probability, image: Tensor, effect: Array, squares: int = SQUARES) -> float:
    """Error of the map's forecast of what blackening a square does to the score, at the map's best scale.

    image: (c, h, w); effect: (h, w). min over b >= 0 of sum((b * forecast - fall)^2) / sum(fall^2), in [0, 1]:
    Yeh et al. 2019 with squares, made free of units. 1 where nothing changes the score.
    """
    places = _squares(image.shape[-2], image.shape[-1], squares)
    falls = score(image[None])[0] - score(image[None] * ~places[:, None])
    forecast = (places.numpy() * effect).sum((1, 2))
    fits, both = float((forecast**2).sum()), float((falls**2).sum())
    scale = max(0.0, float((forecast * falls).sum()) / fits) if fits else 0.0
    return float(((scale * forecast - falls) ** 2).sum() / both) if both else 1.0


def _squares(height: int, width: int, n: int) -> Tensor:
    """(n, height, width) bool: a square of a tenth to a third of the image's side each, anywhere."""
    random = np.random.default_rng(0)
    side = random.integers(max(2, min(height, width) // 10), max(3, min(height, width) // 3) + 1, n)
    top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    down, across = rows - top[:, None, None], columns - left[:, None, None]
    size = side[:, None, None]
    return torch.from_numpy((down >= 0) & (down < size) & (across >= 0) & (across < size))


def sensitivity(explain: Callable[[Tensor], Array], image: Tensor, radius: float = RADIUS) -> float:
    """max over NEIGHBOURS of |map(x + d) - map(x)| / |map(x)|, d uniform in [-radius, radius]. Yeh et al. 2019.

    explain: (n, c, h, w) -> (n, h, w). 0 for a map that stays zero.
    """
    noise = torch.rand(NEIGHBOURS, *image.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    base = explain(image[None])[0]
    moved = explain(image + radius * noise) - base
    size = float(np.sqrt((base**2).sum()))
    largest = float(np.sqrt((moved**2).sum((1, 2))).max())
    return largest / size if size else float(largest > 0)


def _probability(network: nn.Module, target: int, progress: Progress) -> Probability:
    return _asked(network, progress, lambda logits: logits.softmax(1)[:, target])


def _score(network: nn.Module, target: int, progress: Progress) -> Probability:
    return _asked(network, progress, lambda logits: logits[:, target])


def _asked(network: nn.Module, progress: Progress, of: Callable[[Tensor], Tensor]) -> Probability:
    twin = constant(network)

    def ask(images: Tensor) -> Array:
        found = []
        for chunk in torch.split(images, _CHUNK):
            progress("taking pixels away")
            with torch.no_grad():
                found.append(of(twin(chunk)))
        return np.asarray(torch.cat(found).double().numpy())

    return ask
