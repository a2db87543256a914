"""Four attribution maps of one network: (forward, image, target) -> one signed number per pixel.

Captum does the work and is imported on first use: it is slow to load, and most sessions start without it.
`target` is the index of a logit, not of a probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

import torch
from torch import Tensor, nn

from ..core.compressed import CONV, layers_of
from ..core.progress import Progress

IG_STEPS = 64
IG_CHUNK = 16
OCCLUSION_CHUNK = 64

MapOf = Callable[[nn.Module, Tensor, int, Progress], Tensor]
"""(network in eval mode, image (1, c, h, w), target, progress) -> map (h, w)."""


def saliency(network: nn.Module, image: Tensor, target: int, progress: Progress) -> Tensor:
    """Gradient of the logit with respect to each pixel, summed over channels. Simonyan et al. 2013."""
    from captum.attr import Saliency

    forward = watched(network, progress, 1)
    return _flat(Saliency(forward).attribute(_leaf(image), target=target, abs=False))


def integrated_gradients(network: nn.Module, image: Tensor, target: int, progress: Progress) -> Tensor:
    """Gradients averaged on the way from a black image, times the image. Sundararajan et al. 2017.

    The map sums to the logit of the image less that of the black one, up to the quadrature of IG_STEPS points.
    """
    from captum.attr import IntegratedGradients

    forward = watched(network, progress, math.ceil(IG_STEPS / IG_CHUNK))
    method = IntegratedGradients(forward)
    return _flat(method.attribute(_leaf(image), target=target, n_steps=IG_STEPS, internal_batch_size=IG_CHUNK))


def grad_cam(network: nn.Module, image: Tensor, target: int, progress: Progress) -> Tensor:
    """Channels of the last convolution, weighted by their mean gradient, rectified, enlarged bilinearly to the image.

    Selvaraju et al. 2017.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    layer = network.get_submodule(_last_convolution(network))
    forward = watched(network, progress, 1)
    coarse = LayerGradCam(forward, layer).attribute(_leaf(image), target=target, relu_attributions=True)
    assert isinstance(coarse, Tensor)
    return _flat(LayerAttribution.interpolate(coarse, tuple(image.shape[-2:]), "bilinear"))


def occlusion(network: nn.Module, image: Tensor, target: int, progress: Progress) -> Tensor:
    """How much the logit falls when a window that covers the pixel is blackened, averaged over the windows.

    Zeiler and Fergus 2014.
    """
    from captum.attr import Occlusion

    (window, stride), channels = window_of(image), image.shape[1]
    places = math.prod(math.ceil((size - window) / stride) + 1 for size in image.shape[-2:])
    found = Occlusion(watched(network, progress, 1 + math.ceil(places / OCCLUSION_CHUNK))).attribute(
        image,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        target=target,
        perturbations_per_eval=OCCLUSION_CHUNK,
    )
    assert isinstance(found, Tensor)
    return found.detach()[0, 0]  # every channel is blackened together, so all hold the same numbers


def window_of(image: Tensor) -> tuple[int, int]:
    """Side of the occluding square and its stride in pixels: a seventh of the image, moved by half of itself."""
    side = max(2, min(image.shape[-2:]) // 7)
    return side, side // 2


def no_convolution(network: nn.Module) -> str | None:
    """Why Grad-CAM cannot be used, or None."""
    if any(layer.kind == CONV for layer in layers_of(network)):
        return None
    return "it weighs the channels of a convolution, and this network has none"


def watched(network: nn.Module, progress: Progress, total: int) -> Callable[[Tensor], Tensor]:
    """The network's forward pass, which reports each of about `total` passes and stops when cancelled."""
    done = count()

    def forward(images: Tensor) -> Tensor:
        progress("explaining the answer", min(1.0, next(done) / total))
        logits = network(images)
        assert isinstance(logits, Tensor)
        return logits

    return forward


def _last_convolution(network: nn.Module) -> str:
    return [layer.name for layer in layers_of(network) if layer.kind == CONV][-1]


def _leaf(image: Tensor) -> Tensor:
    return image.detach().clone().requires_grad_()


def _flat(found: Tensor | tuple[Tensor, ...]) -> Tensor:
    """(1, c, h, w) -> (h, w), summed over channels."""
    assert isinstance(found, Tensor)
    with torch.no_grad():
        return found.detach()[0].sum(0)
