"""Which channels belong together where DepGraph cannot trace: only plain chains, from one layer to the next.

A chain runs from a producer over what treats every channel by itself (BatchNorm, ReLU, pooling, depthwise
convolutions) to the layers that read it. Channels that meet anything else, like a shuffle, must stay in their places.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch
from torch import fx, nn

from ..core.errors import WorkbenchError

_CHANNELWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.GELU, nn.Identity, nn.Dropout, nn.Dropout2d),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten),
)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_CHANNELWISE_CALLS = ("relu", "relu_", "flatten", "mean")


class Chain(NamedTuple):
    """passed: what shrinks along with the producer; readers: whose inputs do; refusal: why none of it can, or ""."""

    producer: str
    units: int
    passed: tuple[str, ...]
    readers: tuple[str, ...]
    refusal: str


def chains_of(network: nn.Module) -> list[Chain]:
    """One chain for every convolution and linear layer that is no depthwise one; WorkbenchError without a trace."""
    try:
        graph = fx.symbolic_trace(network).graph
    except Exception as error:  # the tracer meets arbitrary forward code
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise WorkbenchError(f"The channels of this network cannot be traced: {reason}.") from None
    modules = dict(network.named_modules())
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    return [_chain(node, modules, calls) for node in graph.nodes if _produces(node, modules)]


def _produces(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    return isinstance(module, nn.Conv2d | nn.Linear) and not _depthwise(module)


def _chain(start: fx.Node, modules: dict[str, nn.Module], calls: Counter[str]) -> Chain:
    name = str(start.target)
    passed, readers, refusal = list[str](), list[str](), ""
    ahead, seen = list(start.users), {start}
    while ahead:
        node = ahead.pop()
        target = str(node.target)
        if node in seen:
            continue
        seen.add(node)
        module = modules.get(target) if node.op == "call_module" else None
        if calls[target] > 1:
            refusal = refusal or f"{target} runs more than once"
        elif isinstance(module, nn.Conv2d | nn.Linear) and not _depthwise(module):
            readers.append(target)
        elif _channelwise(node, module):
            passed += [target] if isinstance(module, (nn.Conv2d, *_NORMS)) else []
            ahead += node.users
        else:
            refusal = refusal or _why(name, node, module)
    weight = modules[name].weight
    assert isinstance(weight, torch.Tensor)
    return Chain(name, len(weight), tuple(passed), tuple(readers), refusal or _shared(name, calls))


def _channelwise(node: fx.Node, module: nn.Module | None) -> bool:
    if module is not None:
        return isinstance(module, (*_CHANNELWISE, *_NORMS)) or _depthwise(module)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op in ("call_function", "call_method") and name in _CHANNELWISE_CALLS


def _why(name: str, node: fx.Node, module: nn.Module | None) -> str:
    if node.op == "output":
        return f"{name} gives the network's answer, one unit for each class"
    what = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.name)
    return f"its channels go through {what}, behind which each must stay in its place"


def _shared(name: str, calls: Counter[str]) -> str:
    return f"{name} runs more than once" if calls[name] > 1 else ""


def _depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels > 1
