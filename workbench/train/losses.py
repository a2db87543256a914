"""What training minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import Loss


def cross_entropy(label_smoothing: float = 0.0) -> Loss:
    """Mean cross-entropy; `label_smoothing` of each label is spread over all classes (Szegedy et al. 2016)."""

    def loss(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    return loss


def distilled(teacher: nn.Module, *, temperature: float, weight: float, label_smoothing: float = 0.0) -> Loss:
    """(1 - weight) * cross-entropy + weight * T^2 * KL(teacher || student) at temperature T (Hinton et al. 2015).

    The factor T^2 keeps the soft part's gradient of the same size whatever T. `teacher` should be in eval mode.
    """
    hard = cross_entropy(label_smoothing)

    def loss(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            target = F.log_softmax(teacher(images) / temperature, 1)
        soft = F.kl_div(F.log_softmax(logits / temperature, 1), target, reduction="batchmean", log_target=True)
        return (1 - weight) * hard(logits, labels, images) + weight * temperature**2 * soft

    return loss
