"""The same image explained in two networks for the same class: did compression change what is looked at?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.attribution import AttributionPair
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.values import Array
from ..measure.evaluate import evaluating
from .maps import MapOf, grad_cam, integrated_gradients, no_convolution, occlusion, saliency


def _never_refuses(network: nn.Module) -> str | None:
    return None


class AttributionMethod(NamedTuple):
    """One way of explaining. refuses(network): why it is off for this network, or None."""

    title: str
    help: str
    citation: str
    map_of: MapOf
    refuses: Callable[[nn.Module], str | None] = _never_refuses


_METHODS = {
    "integrated_gradients": AttributionMethod(
        "Integrated Gradients",
        "How much each pixel adds to the score on the way from a black image to this one.",
        "Sundararajan et al., Axiomatic attribution for deep networks, 2017",
        integrated_gradients,
    ),
    "grad_cam": AttributionMethod(
        "Grad-CAM",
        "Which region makes the last convolution speak for the class.",
        "Selvaraju et al., Grad-CAM: visual explanations from deep networks, 2017",
        grad_cam,
        no_convolution,
    ),
    "occlusion": AttributionMethod(
        "Occlusion",
        "How much the score falls when a small square is blackened.",
        "Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014",
        occlusion,
    ),
    "saliency": AttributionMethod(
        "Saliency",
        "How the score reacts when a pixel gets a little brighter.",
        "Simonyan et al., Deep inside convolutional networks, 2013",
        saliency,
    ),
}


def attributions() -> dict[str, AttributionMethod]:
    """Every attribution method by id, in the order of the menu."""
    return dict(_METHODS)


def attribute(
    method: str,
    dense: nn.Module,
    compressed: nn.Module,
    image: Tensor,
    *,
    label: int | None,
    index: int | None = 0,
    target: int | None = None,
    progress: Progress | None = None,
) -> AttributionPair:
    """Both maps of one image for one class.

    image: (channels, height, width); label, index: None for one that is not of the data; target: a class index, the
    dense network's answer when None. Neither network is changed. WorkbenchError when the method is unknown or off for
    one of the networks; Cancelled between two chunks.
    """
    chosen = _named(method)
    progress = progress or Progress()
    for network in (dense, compressed):
        if (why := chosen.refuses(network)) is not None:
            raise WorkbenchError(f"{chosen.title} cannot explain this network: {why}.")
    answers = _logits(dense, image), _logits(compressed, image)
    explained = _target(target, answers[0])

    def look(network: nn.Module, part: Progress) -> Array:
        with evaluating(network), torch.enable_grad():
            found = chosen.map_of(network, image[None], explained, part)
        progress.check()
        return np.asarray(found.cpu().numpy(), np.float32)

    before = look(dense, progress.part(0.0, 0.5, "dense: "))
    after = look(compressed, progress.part(0.5, 1.0, "compressed: "))
    return AttributionPair(
        method=method,
        index=index,
        label=label,
        target=explained,
        image=_picture(image),
        dense=before,
        compressed=after,
        dense_probability=float(torch.softmax(answers[0], 0)[explained]),
        compressed_probability=float(torch.softmax(answers[1], 0)[explained]),
        dense_prediction=int(answers[0].argmax()),
        compressed_prediction=int(answers[1].argmax()),
        similarity=similarity(before, after),
        note=_note(before, after),
    )


def similarity(first: Array, second: Array) -> float:
    """Spearman's rank correlation of two maps, ties sharing their mean rank; 0 where just one of them is constant."""
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.ptp(a) == np.ptp(b))
    return float(np.corrcoef(a, b)[0, 1])


def _named(method: str) -> AttributionMethod:
    if method not in _METHODS:
        raise WorkbenchError(f"There is no attribution method {method!r}; there are {', '.join(_METHODS)}.")
    return _METHODS[method]


def _target(target: int | None, logits: Tensor) -> int:
    if target is None:
        return int(logits.argmax())
    if not 0 <= target < logits.numel():
        raise WorkbenchError(f"The class to explain must be in 0 to {logits.numel() - 1}; got {target}.")
    return target


def _logits(network: nn.Module, image: Tensor) -> Tensor:
    with evaluating(network), torch.no_grad():
        scores = network(image[None])
    assert isinstance(scores, Tensor)
    return scores[0]


def _picture(image: Tensor) -> Array:
    """The image in [0, 1], stretched only where it leaves that range (normalised inputs)."""
    pixels = image.detach().cpu().numpy().astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    return pixels if low >= 0 and high <= 1 else (pixels - low) / (high - low)


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values.reshape(-1), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]


def _note(dense: Array, compressed: Array) -> str:
    flat = [name for name, found in (("dense", dense), ("compressed", compressed)) if np.ptp(found) == 0]
    return f"The map of the {' and the '.join(flat)} network is the same everywhere." if flat else ""
