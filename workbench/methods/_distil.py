"""What is learnt from a teacher's softened answers; `kd.hinton` is the method, others train with it in between."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import Loss


def distillation_loss(z_s: Tensor, z_t: Tensor, y: Tensor, temperature: float, weight: float) -> Tensor:
    """Hinton et al. 2015, mean over the batch. z_s, z_t: (n, classes) logits; y: (n,) labels -> scalar."""
    log_q = F.log_softmax(z_s / temperature, 1)
    log_p = F.log_softmax(z_t / temperature, 1)
    soft = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * temperature**2
    return (1 - weight) * F.cross_entropy(z_s, y) + weight * soft


def taught(teacher: nn.Module, *, temperature: float, weight: float) -> Loss:
    """`distillation_loss` as a trainer takes it; `teacher` answers the same images."""

    def loss(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            target = teacher(images)
        return distillation_loss(logits, target, labels, temperature, weight)

    return loss
