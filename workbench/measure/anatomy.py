"""What a network is made of: what methods can act on, what they leave alone, and which channels belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..core.compressed import layers_of
from ..core.survey import BLOCKS, Uncompressed, survey
from ..layers.channels import groups_of
from ..layers.swap import fixtures
from ..layers.watch import Watched, beside, watch
from .counts import parameters
from .macs import macs


@dataclass(frozen=True)
class LayerFacts:
    """A layer that methods act on. parameters: with its bias; macs: of one image, over all its calls.

    keeps_units, keeps_form: why no unit of it can be taken out, and why no factors can take its place; "" if they can.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    calls: int
    keeps_units: str
    keeps_form: str


@dataclass(frozen=True)
class ChannelGroup:
    """Layers whose units go together, and the layers that read them. refusal: why they all stay, or ""."""

    layers: tuple[str, ...]
    units: int
    readers: tuple[str, ...]
    refusal: str


@dataclass(frozen=True)
class Anatomy:
    """layers: what methods act on. left: what they leave alone. remarks: what holds for the network as a whole."""

    layers: tuple[LayerFacts, ...]
    left: tuple[Uncompressed, ...]
    groups: tuple[ChannelGroup, ...]
    remarks: tuple[str, ...]
    parameters: int
    macs: int


def anatomy(network: nn.Module, input_shape: Sequence[int]) -> Anatomy:
    """Everything that can be said of `network` before anything is compressed, from one random image.

    input_shape: (channels, height, width). WorkbenchError when the network does not run on such an image.
    """
    left = survey(network)
    blocks = [part for part in left if part.role == BLOCKS]
    if blocks:
        remark = f"Nothing in this network can be compressed before {blocks[0].name} is changed: {blocks[0].reason}."
        facts = tuple(_facts(network))
        return Anatomy(facts, left, (), (remark,), sum(f.parameters for f in facts), 0)
    seen = watch(network, input_shape)
    cost = macs(network, input_shape)
    names = {layer.name for layer in layers_of(network)}
    groups = tuple(
        ChannelGroup(g.producers, g.count, tuple(m.module for m in g.members if m.side == "in"), g.refusal)
        for g in groups_of(network, input_shape)
        if names & set(g.producers)
    )
    units = {name: group.refusal for group in groups for name in group.layers}
    form = fixtures(network, input_shape)
    facts = tuple(
        replace(
            fact,
            macs=cost.get(fact.name, 0),
            calls=seen.calls.get(fact.name, 0),
            keeps_units=units.get(fact.name, ""),
            keeps_form=form.get(fact.name, ""),
        )
        for fact in _facts(network)
    )
    used = tuple(_with_use(part, seen) for part in left)
    total = sum(cost.values())
    remarks = tuple(_remarks(network, seen, _all_macs(network, input_shape) - total))
    return Anatomy(facts, used, groups, remarks, parameters(network), total)


def _facts(network: nn.Module) -> Iterator[LayerFacts]:
    for layer in layers_of(network):
        module = network.get_submodule(layer.name)
        size = sum(p.numel() for p in module.parameters())
        shape = tuple(module.get_parameter("weight").shape)
        yield LayerFacts(layer.name, layer.kind, shape, size, 0, 0, "", "")


def _with_use(part: Uncompressed, seen: Watched) -> Uncompressed:
    """A parameter that no layer holds, with the functions that it is given to."""
    functions = seen.reads.get(part.name, ())
    if part.kind != "Parameter" or not functions:
        return part
    return replace(part, reason=f"given to {' and '.join(functions)}: {part.reason}")


def _remarks(network: nn.Module, seen: Watched, more: int) -> Iterator[str]:
    for place in seen.decides:
        kind = type(network.get_submodule(place)).__name__
        yield (
            f"{kind}{f' ({place})' if place else ''} looks at values to decide what to do: costs and calls are those "
            "of one random image."
        )
    if not seen.repeats:
        yield "It answers differently each time it is asked; is a dropout always on?"
    if seen.foreign:
        yield f"It uses {seen.foreign} parameters that it does not hold itself; they are in no file."
    if len(seen.answer) != 1 or len(seen.answer[0]) != 2:
        shapes = " and ".join("x".join(map(str, shape)) for shape in seen.answer)
        yield f"It answers {shapes}; to be measured, a network answers one row of scores for each image."
    for name, functions in seen.reads.items():
        path = name.rpartition(".")[0]
        if any(path == layer.name for layer in layers_of(network)):
            yield f"{name} is also given to {' and '.join(functions)}, outside of {path}, with the values it has then."
    idle = [layer.name for layer in layers_of(network) if layer.name not in seen.order]
    if idle:
        yield f"Not run by any of the images that were tried: {', '.join(idle)}."
    if more > 0:
        yield f"{more:,} more multiply-accumulates run outside of layers, as functions, and are in no count here."


def _all_macs(network: nn.Module, input_shape: Sequence[int]) -> int:
    """What torch counts, functions included."""
    image = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        beside(network).eval()(image)
    return int(counter.get_total_flops()) // 2
