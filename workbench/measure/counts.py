"""How many numbers a network holds."""

from __future__ import annotations

from torch import nn


def parameters(network: nn.Module) -> int:
    """Learned values; a tensor that two modules share counts once."""
    return sum(p.numel() for p in network.parameters())


def nonzeros(network: nn.Module) -> int:
    """Learned values that are not zero."""
    return sum(int(p.detach().count_nonzero()) for p in network.parameters())


def dense_bytes(network: nn.Module) -> int:
    """4 bytes per parameter and floating buffer value, the denominator of papers; integer counters are left out."""
    return 4 * (parameters(network) + sum(b.numel() for b in network.buffers() if b.is_floating_point()))
