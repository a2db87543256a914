"""The same image explained in two networks for the same class: did compression change what is looked at?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.attribution import AttributionPair, Balance
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.values import Array
from . import maps
from .likeness import similarity
from .maps import Found, MapOf, Unsuited, no_convolution
from .rules import constant

FROM_BLACK, SCORE = "from black", "score"


def _never_refuses(network: nn.Module) -> str | None:
    return None


class AttributionMethod(NamedTuple):
    """One way of explaining. refuses(network): why it is off whatever the image, or None; a look, not a trial.

    sums: what the map promises to add up to: the difference from a black image, the score, or "" for nothing.
    slope: the map is in score per brightness; times the pixel it is what the pixel adds. trial: only a trial tells
    whether it is fit for a network.
    """

    title: str
    help: str
    citation: str
    map_of: MapOf
    refuses: Callable[[nn.Module], str | None] = _never_refuses
    sums: str = ""
    slope: bool = False
    trial: bool = False


_METHODS = {
    "integrated_gradients": AttributionMethod(
        "Integrated Gradients",
        "How much each pixel adds to the score on the way from a black image to this one.",
        "Sundararajan et al., Axiomatic attribution for deep networks, 2017",
        maps.integrated_gradients,
        sums=FROM_BLACK,
    ),
    "grad_cam": AttributionMethod(
        "Grad-CAM",
        "Which region makes the last convolution speak for the class.",
        "Selvaraju et al., Grad-CAM: visual explanations from deep networks, 2017",
        maps.grad_cam,
        no_convolution,
        trial=True,
    ),
    "guided_grad_cam": AttributionMethod(
        "Guided Grad-CAM",
        "Grad-CAM's region, drawn finely: gradients that go back through positive ones only.",
        "Selvaraju et al., Grad-CAM: visual explanations from deep networks, 2017; Springenberg et al., 2015",
        maps.guided_grad_cam,
        no_convolution,
        trial=True,
    ),
    "deep_lift": AttributionMethod(
        "DeepLift",
        "How much each pixel adds to the score, every function passing on its whole change from a black image.",
        "Shrikumar et al., Learning important features through propagating activation differences, 2017",
        maps.deep_lift,
        sums=FROM_BLACK,
        trial=True,
    ),
    "lrp": AttributionMethod(
        "LRP",
        "The score handed back layer by layer, each input its share. With ReLUs alone: the gradient times the image.",
        "Bach et al., On pixel-wise explanations by layer-wise relevance propagation, 2015",
        maps.lrp,
        sums=SCORE,
        trial=True,
    ),
    "occlusion": AttributionMethod(
        "Occlusion",
        "How much the score falls when a small square is blackened.",
        "Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014",
        maps.occlusion,
    ),
    "feature_ablation": AttributionMethod(
        "Feature Ablation",
        "How much the score falls when a patch of similar neighbouring pixels is blackened.",
        "Kokhlikyan et al., Captum: a unified and generic model interpretability library, 2020",
        maps.feature_ablation,
    ),
    "saliency": AttributionMethod(
        "Saliency",
        "How the score reacts when a pixel gets a little brighter.",
        "Simonyan et al., Deep inside convolutional networks, 2013",
        maps.saliency,
        slope=True,
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
    chosen, progress = method_named(method), progress or Progress()
    for network in (dense, compressed):
        if (why := chosen.refuses(network)) is not None:
            raise WorkbenchError(f"{chosen.title} cannot explain this network: {why}.")
    both = torch.stack([image, torch.zeros_like(image)])
    scores = logits_of(dense, both), logits_of(compressed, both)
    logits = scores[0][0], scores[1][0]
    explained = _target(target, logits[0])
    targets = torch.tensor([explained])
    before = found_by(method, dense, image[None], targets, progress.part(0.0, 0.5, "dense: "))
    progress.check()
    after = found_by(method, compressed, image[None], targets, progress.part(0.5, 1.0, "compressed: "))
    progress.check()
    first, second = _flat(before)[0], _flat(after)[0]
    return AttributionPair(
        method=method,
        index=index,
        label=label,
        target=explained,
        image=_picture(image),
        dense=first,
        compressed=second,
        dense_probability=float(torch.softmax(logits[0], 0)[explained]),
        compressed_probability=float(torch.softmax(logits[1], 0)[explained]),
        dense_prediction=int(logits[0].argmax()),
        compressed_prediction=int(logits[1].argmax()),
        similarity=similarity(first, second),
        note=_note(first, second),
        dense_balance=_balance(chosen.sums, scores[0], explained, before),
        compressed_balance=_balance(chosen.sums, scores[1], explained, after),
    )


def flat_maps(method: str, network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Array:
    """The maps as they are drawn, channels summed. images: (n, c, h, w), targets: (n,) -> (n, h, w) float32."""
    return _flat(found_by(method, network, images, targets, progress))


def effect_maps(method: str, network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Array:
    """What each pixel adds: the maps, where they are slopes times the pixels' values. Shapes as in flat_maps."""
    found = found_by(method, network, images, targets, progress)
    return _flat(Found(found.values * images) if method_named(method).slope else found)


def found_by(method: str, network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """Of one network that stays as it is; WorkbenchError where the method is not what it claims to be on it."""
    chosen = method_named(method)
    try:
        with torch.enable_grad():
            return chosen.map_of(network, images, targets, progress)
    except Unsuited as why:
        raise WorkbenchError(f"{chosen.title} cannot explain this network: {why}.") from None


def why_not(method: str, network: nn.Module, input_shape: Sequence[int]) -> str:
    """Why a method is off on a network, found by a trial on a random image of (channels, height, width); or ""."""
    chosen = method_named(method)
    image = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        if (why := chosen.refuses(network)) is None and chosen.trial:
            with torch.enable_grad():
                chosen.map_of(network, image, torch.zeros(1, dtype=torch.long), Progress())
    except Unsuited as reason:
        return str(reason)
    return why or ""


def method_named(method: str) -> AttributionMethod:
    """WorkbenchError lists what there is."""
    if method not in _METHODS:
        raise WorkbenchError(f"There is no attribution method {method!r}; there are {', '.join(_METHODS)}.")
    return _METHODS[method]


def answers_of(network: nn.Module, images: Tensor) -> Tensor:
    """(n, c, h, w) -> (n,) class indices."""
    return logits_of(network, images).argmax(1)


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, classes); the network stays as it is, its training flags too."""
    with torch.no_grad():
        scores = constant(network)(images)
    assert isinstance(scores, Tensor)
    return scores


def _balance(sums: str, scores: Tensor, target: int, found: Found) -> Balance | None:
    """scores: (2, classes), of the image and of a black one."""
    if not sums:
        return None
    owed = scores[0, target] - (scores[1, target] if sums == FROM_BLACK else 0)
    return Balance(float(found.values.sum()), float(owed), found.held, float(scores.abs().max()))


def _target(target: int | None, logits: Tensor) -> int:
    if target is None:
        return int(logits.argmax())
    if not 0 <= target < logits.numel():
        raise WorkbenchError(f"The class to explain must be in 0 to {logits.numel() - 1}; got {target}.")
    return target


def _flat(found: Found) -> Array:
    """(n, c, h, w) -> (n, h, w), summed over channels."""
    return np.asarray(found.values.sum(1).cpu().numpy(), np.float32)


def _picture(image: Tensor) -> Array:
    """The image in [0, 1], stretched only where it leaves that range (normalised inputs)."""
    pixels = image.detach().cpu().numpy().astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    return pixels if low >= 0 and high <= 1 else (pixels - low) / (high - low)


def _note(dense: Array, compressed: Array) -> str:
    flat = [name for name, found in (("dense", dense), ("compressed", compressed)) if np.ptp(found) == 0]
    return f"The map of the {' and the '.join(flat)} network is the same everywhere." if flat else ""
