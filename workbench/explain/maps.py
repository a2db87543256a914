"""Eight attribution maps: which pixels of an image speak for a class.

Captum does the work where only the network's answers and gradients are needed; it is imported on first use, being slow
to load. What needs another way back through the network is in `rules`. `targets` are indices of logits, not of
probabilities, and every image is compared with a black one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.compressed import CONV, layers_of
from ..core.progress import Progress
from .rules import Guided, LastMap, Relevance, Rescaled, Rules, constant, relus_in
from .segments import segments

IG_STEPS = 64
IG_CHUNK = 16
CHUNK = 64
TOLERANCE = 0.01
"""The share of the largest score by which a sum that has to hold may miss."""


class Found(NamedTuple):
    """values: (n, channels or 1, h, w). held: what biases hold of the scores, summed over the images."""

    values: Tensor
    held: float = 0.0


class Unsuited(Exception):  # noqa: N818 - an answer about a network: the reason ends a sentence
    """A method would not be what it claims to be on this network."""


MapOf = Callable[[nn.Module, Tensor, Tensor, Progress], Found]
"""(network, images (n, c, h, w), targets (n,), progress) -> Found. The network stays as it is. Raises Unsuited."""


def saliency(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """Gradient of the logit with respect to each pixel. Simonyan et al. 2013."""
    from captum.attr import Saliency

    forward = watched(constant(network), progress, 1)
    return _found(Saliency(forward).attribute(_leaf(images), target=targets, abs=False))


def integrated_gradients(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """Gradients averaged on the way from a black image, times the image. Sundararajan et al. 2017.

    The map sums to the logit of the image less that of the black one, up to the quadrature of IG_STEPS points.
    """
    from captum.attr import IntegratedGradients

    chunk = max(IG_CHUNK, len(images))
    forward = watched(constant(network), progress, math.ceil(IG_STEPS * len(images) / chunk))
    method = IntegratedGradients(forward)
    return _found(method.attribute(_leaf(images), target=targets, n_steps=IG_STEPS, internal_batch_size=chunk))


def grad_cam(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """Channels of the last map, weighted by their mean gradient, rectified, enlarged bilinearly to the image.

    Selvaraju et al. 2017. The map is taken behind the norms, sums and functions that follow the last convolution at
    its size: in a residual network that is what the whole block gives. Raises Unsuited.
    """
    look = LastMap()
    scores = _through(look, network, images, targets, progress)
    if look.found is None:
        raise Unsuited("it weighs the maps of a convolution, and this network has none larger than one pixel")
    slopes = torch.autograd.grad(scores.sum(), look.found, allow_unused=True)[0]
    if slopes is None:
        raise Unsuited("its answer does not depend on the maps of the last convolution that runs")
    coarse = F.relu((slopes.mean((2, 3), keepdim=True) * look.found.detach()).sum(1, keepdim=True))
    return _found(F.interpolate(coarse, tuple(images.shape[-2:]), mode="bilinear"))


def guided_grad_cam(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """Guided backpropagation (Springenberg et al. 2015) where Grad-CAM looks. Selvaraju et al. 2017."""
    where = grad_cam(network, images, targets, progress.part(0.0, 0.5)).values
    look, leaf = Guided(), _leaf(images)
    scores = _through(look, network, leaf, targets, progress.part(0.5, 1.0))
    if not look.met:
        raise Unsuited("it guides gradients through ReLUs, and this network has none")
    if relus_in(scores) > look.met:
        raise Unsuited("some of its ReLUs run where gradients cannot be guided")
    return _found(torch.autograd.grad(scores.sum(), leaf)[0] * where)


def occlusion(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """How much the logit falls when a window that covers the pixel is blackened, averaged over the windows.

    Zeiler and Fergus 2014.
    """
    from captum.attr import Occlusion

    (window, stride), channels = window_of(images), images.shape[1]
    places = math.prod(math.ceil((size - window) / stride) + 1 for size in images.shape[-2:])
    chunk = max(1, CHUNK // len(images))
    found = Occlusion(watched(constant(network), progress, 1 + math.ceil(places / chunk))).attribute(
        images,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        target=targets,
        perturbations_per_eval=chunk,
    )
    return _found(found[:, :1])  # every channel is blackened together, so all hold the same numbers


def feature_ablation(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """How much the logit falls when the patch of like neighbours that a pixel belongs to is blackened.

    Every pixel of a patch holds the fall divided by the patch's size, so that the patch sums to it.
    """
    from captum.attr import FeatureAblation

    found, twin = [], constant(network)
    for i, image in enumerate(images):
        patches = segments(image)
        part = progress.part(i / len(images), (i + 1) / len(images))
        method = FeatureAblation(watched(twin, part, 1 + math.ceil(int(patches.max() + 1) / CHUNK)))
        falls = method.attribute(
            image[None], target=targets[i : i + 1], feature_mask=patches[None, None], perturbations_per_eval=CHUNK
        )
        found.append(falls[:, :1] / torch.bincount(patches.flatten())[patches])
    return _found(torch.cat(found))


def deep_lift(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """What each pixel adds to the logit, compared with a black image; the map sums to the difference.

    Shrikumar et al. 2017, rescale rule. Raises Unsuited where the sum does not hold.
    """
    leaf, black = _leaf(images), torch.zeros_like(images)
    scores = _through(Rescaled(), network, torch.cat([leaf, black]), torch.cat([targets, targets]), progress)
    found = torch.autograd.grad(scores.sum(), leaf)[0] * images
    with torch.no_grad():
        logits, dark = constant(network)(images), constant(network)(black[:1])
    owed = logits.gather(1, targets[:, None])[:, 0] - dark[0, targets]
    _must_sum(found.flatten(1).sum(1), owed, torch.cat([logits, dark]))
    return _found(found)


def lrp(network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Found:
    """The logit handed back layer by layer, each input its share of the sum; biases hold the rest.

    Bach et al. 2015, z rule. In a network whose functions are ReLUs it is the gradient times the image (Ancona et al.
    2018). Raises Unsuited where relevance is lost on the way.
    """
    rule, leaf = Relevance(), _leaf(images)
    scores = _through(rule, network, leaf, targets, progress)
    held = rule.held(scores)
    found = torch.autograd.grad(scores.sum(), leaf)[0] * images
    with torch.no_grad():
        logits = constant(network)(images)
    owed = logits.gather(1, targets[:, None]).sum()
    _must_sum(found.sum() + held, owed, logits * len(images) ** 0.5)
    return Found(found.detach(), float(held))


def window_of(images: Tensor) -> tuple[int, int]:
    """Side of the occluding square and its stride in pixels: a seventh of the image, moved by half of itself."""
    side = max(2, min(images.shape[-2:]) // 7)
    return side, side // 2


def no_convolution(network: nn.Module) -> str | None:
    """Why Grad-CAM cannot be used, or None."""
    if any(layer.kind == CONV for layer in layers_of(network)):
        return None
    return "it weighs the maps of a convolution, and this network has none"


def watched(network: nn.Module, progress: Progress, total: int) -> Callable[[Tensor], Tensor]:
    """The network's forward pass, which reports each of about `total` passes and stops when cancelled."""
    done = count()

    def forward(images: Tensor) -> Tensor:
        progress("explaining the answer", min(1.0, next(done) / total))
        logits = network(images)
        assert isinstance(logits, Tensor)
        return logits

    return forward


def _through(rules: Rules, network: nn.Module, images: Tensor, targets: Tensor, progress: Progress) -> Tensor:
    """The targets' logits, found under the rules: (n,)."""
    twin = rules.attach(network)
    progress("explaining the answer", 0.0)
    with torch.enable_grad(), rules:
        logits = twin((images if images.requires_grad else _leaf(images)) * 1)
    assert isinstance(logits, Tensor)
    return logits.gather(1, targets[:, None])[:, 0]


def _must_sum(found: Tensor, owed: Tensor, logits: Tensor) -> None:
    gap = float((found - owed).abs().max() / logits.abs().max().clamp_min(1e-12))
    if not gap <= TOLERANCE:
        raise Unsuited(
            f"its map would miss the answer by {100 * gap:.0f} % of the largest score, because the network contains "
            "something that the method has no rule for"
        )


def _leaf(images: Tensor) -> Tensor:
    return images.detach().clone().requires_grad_()


def _found(values: Tensor | tuple[Tensor, ...]) -> Found:
    assert isinstance(values, Tensor)
    return Found(values.detach())
