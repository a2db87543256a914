"""What tells two networks apart that compute the same with other weights: a key to remember findings by."""

from __future__ import annotations

from torch import nn

from ..core.layer import tensors_of
from . import ADOPTED

_PLAIN = (bool, int, float, str, tuple, list, dict, type(None))


class Architecture:
    """A cache key: two networks with equal module trees and shapes share their groups."""

    def __init__(self, network: nn.Module, input_shape: tuple[int, ...]) -> None:
        self.network, self.input_shape = network, input_shape
        shapes = tuple((name, tuple(t.shape)) for name, t in (*network.named_parameters(), *network.named_buffers()))
        about = (repr(network), shapes, _settings(network), _ties(network), getattr(network, ADOPTED, None))
        self.key = (type(network), about, input_shape)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.key == other.key


def _settings(network: nn.Module) -> str:
    """Plain attributes of modules that people wrote: their forward may do something else with other values."""
    own = [(name, m) for name, m in network.named_modules() if not type(m).__module__.startswith("torch.")]
    plain = [(name, {k: v for k, v in vars(m).items() if k[:1] != "_" and isinstance(v, _PLAIN)}) for name, m in own]
    return repr([(name, kept) for name, kept in plain if kept != {"training": False}])


def _ties(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    return tuple(names for names, _ in tensors_of(network) if len(names) > 1)


def owners_of(network: nn.Module) -> dict[int, list[str]]:
    """Names of every parameter, one for each module that holds it."""
    found: dict[int, list[str]] = {}
    for path, module in network.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), []).append(f"{path}.{name}")
    return found
