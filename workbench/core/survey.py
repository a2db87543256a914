"""What in a network no method acts on, and why, in words: found by looking at its parts, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .layer import KINDS, acts_on, is_lazy, layers_of

KEPT, LEFT, SHARED, BLOCKS = "kept", "left", "shared", "blocks"

_NORMS = (
    *(nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
    *(nn.PReLU,),
)
_ACTS = "methods act on Conv2d and Linear"
_KNOWN: tuple[tuple[tuple[type, ...], str], ...] = (
    ((nn.MultiheadAttention,), "its projections run as one fused operation, which reads their weights directly"),
    ((nn.RNNBase, nn.RNNCellBase), f"it runs the same weights at every step of a sequence; {_ACTS}"),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), f"a transposed convolution; {_ACTS}"),
    ((nn.Conv1d, nn.Conv3d), f"a convolution over one or three dimensions; {_ACTS}"),
    ((nn.Embedding, nn.EmbeddingBag), f"a table to look up in; {_ACTS}"),
    ((nn.Bilinear,), f"a product of two inputs; {_ACTS}"),
)


@dataclass(frozen=True)
class Uncompressed:
    """A part of a network that no method acts on.

    parameters: learned values that are its own, 0 where another name holds them. role: "kept" is as it should be
    (normalisation), "left" could be compressed and is not, "shared" is compressed under another name, "blocks" cannot
    be written into a file, so that nothing in the network can be compressed until it is changed.
    """

    name: str
    kind: str
    parameters: int
    reason: str
    role: str = LEFT


def survey(network: nn.Module) -> tuple[Uncompressed, ...]:
    """Every part that holds values and that no method acts on, in definition order, with the reason."""
    places = {id(m): name for name, m in reversed(list(network.named_modules()))}
    seen = {id(p): _joined(name, key) for name, m in _once(network) if acts_on(m) for key, p in m._parameters.items()}
    known = set(map(id, (*network.modules(), *network.parameters(), *network.buffers())))
    return (
        *_parts(network, seen),
        *_aliases(network, places),
        *_same_memory(network),
        *(part for name, m in network.named_modules() for part in _unseen(name, m, known)),
    )


def left_out(parts: Iterable[Uncompressed]) -> tuple[str, ...]:
    """One sentence for all parts that share a reason; nothing of those that are kept as they should be."""
    names: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        if part.role != KEPT:
            names.setdefault((part.kind, part.reason), []).append(part.name)
    return tuple(f"No method acts on {', '.join(found)} ({kind}): {why}." for (kind, why), found in names.items())


def _once(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    names = {layer.name for layer in layers_of(network)}
    return ((name, module) for name, module in network.named_modules() if name in names)


def _parts(network: nn.Module, seen: dict[int, str]) -> Iterator[Uncompressed]:
    inside: tuple[str, ...] = ()
    first: dict[int, str] = {}
    for name, module in network.named_modules():
        if any(name.startswith(path) for path in inside):
            continue
        if _fused(module):
            inside = (*inside, _joined(name, ""))
        owned = dict(module.named_parameters() if _fused(module) else module._parameters.items())
        mine = {key: p for key, p in owned.items() if p is not None}
        if acts_on(module):
            yield from _tied_layer(name, module, seen)
            yield from _wrong_type(name, {key: p for key, p in mine.items() if key != "weight"})
        elif _known(module) or is_lazy(module) or _quantized(module) or _computed(module):
            shared = [first.get(id(p)) or seen.get(id(p)) for p in mine.values()]
            own = {key: p for (key, p), other in zip(mine.items(), shared, strict=True) if other is None}
            yield from _part(name, module, own, next(filter(None, shared), ""))
        else:
            for key, parameter in mine.items():
                place, other = _joined(name, key), first.get(id(parameter)) or seen.get(id(parameter))
                yield _bare(place, module, parameter, other)
        for key, parameter in mine.items():
            first.setdefault(id(parameter), _joined(name, key))
        yield from _wrong_type(name, {k: b for k, b in module._buffers.items() if b is not None})


def _part(name: str, module: nn.Module, own: dict[str, Tensor], shared: str) -> Iterator[Uncompressed]:
    if own or _quantized(module):
        reason, role = _reason(module)
        size = 0 if is_lazy(module) else sum(p.numel() for p in own.values()) or _packed_size(module)
        yield Uncompressed(name, _kind(module), size, reason, role)
    elif shared:
        yield Uncompressed(name, _kind(module), 0, f"it shares {shared}, which is stored once for both", SHARED)
    yield from _wrong_type(name, own if not is_lazy(module) else {})


def _tied_layer(name: str, module: nn.Module, seen: dict[int, str]) -> Iterator[Uncompressed]:
    """A layer whose weight is another layer's, which is the one that is listed."""
    owner = seen[id(module._parameters["weight"])]
    if owner != _joined(name, "weight"):
        own = sum(p.numel() for key, p in module._parameters.items() if key != "weight" and p is not None)
        reason = f"its weight is {owner}, which is compressed and stored once for both"
        yield Uncompressed(name, _kind(module), own, reason, SHARED)


def _aliases(network: nn.Module, places: dict[int, str]) -> Iterator[Uncompressed]:
    told: tuple[str, ...] = ()
    for name, module in network.named_modules(remove_duplicate=False):
        first = places[id(module)]
        if name == first or not any(True for _ in module.parameters()) or any(name.startswith(t) for t in told):
            continue
        told = (*told, _joined(name, ""))
        reason = f"it is {first} under a second name, which is compressed and stored once"
        yield Uncompressed(name, _kind(module), 0, reason, SHARED)


def _bare(place: str, owner: nn.Module, parameter: Tensor, other: str | None) -> Uncompressed:
    if other is not None:
        return Uncompressed(place, "Parameter", 0, f"it is {other} under a second name", SHARED)
    wrong = next(_wrong_type(place, {"": parameter}), None)
    if wrong is not None:
        return wrong
    base = next((kind.__name__ for kind in KINDS if isinstance(owner, kind)), None)
    user = f"{_kind(owner)} uses as it likes" if base is None else f"the {base} of its own kind {_kind(owner)} uses"
    return Uncompressed(place, "Parameter", parameter.numel(), f"a parameter of its own, which {user}; {_ACTS}")


def _reason(module: nn.Module) -> tuple[str, str]:
    if is_lazy(module):
        return "it does not know its shape before its first image; call the network once", BLOCKS
    if _quantized(module):
        return (
            "its weights are packed as integers already and cannot be taken out; start from the float network",
            BLOCKS,
        )
    if isinstance(module, _NORMS):
        return "small, and kept as it is", KEPT
    if _computed(module):
        return _computed(module), LEFT
    if type(module) in KINDS:
        weight = module._parameters["weight"]
        assert weight is not None
        return f"its weight is {_name(weight)}, and methods act on float32; network.float() makes it that", LEFT
    for kind, why in _KNOWN:
        if isinstance(module, kind):
            return why, LEFT
    base = next(kind.__name__ for kind in KINDS if isinstance(module, kind))
    return f"a {base} of its own kind, whose forward may use the weight in another way; {_ACTS} themselves", LEFT


def _known(module: nn.Module) -> bool:
    return isinstance(module, (*_NORMS, *KINDS, *(kind for kinds, _ in _KNOWN for kind in kinds)))


def _fused(module: nn.Module) -> bool:
    """Whether the module and all inside it are one part."""
    return isinstance(module, nn.MultiheadAttention) or hasattr(module, "parametrizations") or _quantized(module)


def _computed(module: nn.Module) -> str:
    """Why the weight that runs is not the one that is stored, or ""."""
    if hasattr(module, "parametrizations"):
        how = "torch.nn.utils.parametrize.remove_parametrizations makes it plain"
    elif "weight_mask" in module._buffers:
        how = "torch.nn.utils.prune.remove makes it plain"
    elif isinstance(module, tuple(KINDS)) and "weight" not in module._parameters:
        how = "torch.nn.utils.remove_weight_norm or remove_spectral_norm makes it plain"
    else:
        return ""
    return f"its weight is computed from other values each time it runs; {how}"


def _quantized(module: nn.Module) -> bool:
    return ".quantized" in type(module).__module__ and hasattr(module, "_weight_bias")


def _packed_size(module: Any) -> int:
    return sum(t.numel() for t in module._weight_bias() if t is not None) if _quantized(module) else 0


def _wrong_type(name: str, tensors: dict[str, Tensor]) -> Iterator[Uncompressed]:
    for key, tensor in tensors.items():
        if tensor.is_complex() or tensor.dtype == torch.float64:
            reason = f"it is {_name(tensor)}, and a file holds 32-bit floats; network.float() makes real values that"
            yield Uncompressed(_joined(name, key), "Tensor", tensor.numel(), reason, BLOCKS)


def _same_memory(network: nn.Module) -> Iterator[Uncompressed]:
    first: dict[int, str] = {}
    for name, parameter in network.named_parameters():
        if not nn.parameter.is_lazy(parameter) and parameter.device.type != "meta" and parameter.numel():
            other = first.setdefault(parameter.data_ptr(), name)
            if other != name:
                reason = f"it lies on the memory of {other}; make them one parameter, as in a.weight = b.weight"
                yield Uncompressed(name, "Parameter", 0, reason, BLOCKS)


def _unseen(name: str, module: nn.Module, known: set[int]) -> Iterator[Uncompressed]:
    """Modules and tensors in plain attributes, lists and dictionaries, where torch does not look.

    known: ids of all that torch finds.
    """
    computed = {"weight", "bias"} if _computed(module) else set[str]()
    for key, value in vars(module).items():
        if key in ("_parameters", "_buffers", "_modules", *computed) or key.endswith("_hooks"):
            continue
        for place, thing in _inside(_joined(name, key), value):
            if isinstance(thing, nn.Module) and id(thing) not in known and any(True for _ in thing.parameters()):
                size = sum(p.numel() for p in thing.parameters())
                reason = (
                    "it stands in a plain list or dictionary, where torch does not see it; nn.ModuleList makes it seen"
                )
                yield Uncompressed(place, _kind(thing), size, reason, BLOCKS)
            elif isinstance(thing, nn.Parameter) and id(thing) not in known:
                reason = "a parameter in a plain list or dictionary, where torch does not see it; use nn.ParameterList"
                yield Uncompressed(place, "Parameter", thing.numel(), reason, BLOCKS)
            elif isinstance(thing, Tensor) and id(thing) not in known and thing.is_floating_point():
                reason = "a plain tensor, which no file holds: whoever builds the network makes it; see register_buffer"
                yield Uncompressed(place, "Tensor", thing.numel(), reason)


def _inside(place: str, value: object, depth: int = 3) -> Iterator[tuple[str, object]]:
    if isinstance(value, nn.Module | Tensor):
        yield place, value
        return
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, list | tuple | set | frozenset):
        items = enumerate(value)
    elif isinstance(value, dict):
        items = list(value.items())
    for key, inner in items if depth else ():
        yield from _inside(f"{place}[{key}]", inner, depth - 1)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name and key else name or key


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
