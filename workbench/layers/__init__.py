"""Modules that a compressed network may contain, and how channels hang together.

`spec_of` and `from_spec` turn such a module into plain data and back, so that a file can say which layer
stands where; torch's own modules need no entry, since the network's builder makes them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from ..core.errors import FileError
from .absent import Absent
from .activations import QuantizedInput, bare
from .chain import ConvChain
from .circulant import CirculantLinear
from .factorised import FactorisedConv2d, FactorisedLinear
from .separable import SeparableConv2d

_OWN = (FactorisedLinear, FactorisedConv2d, ConvChain, CirculantLinear, SeparableConv2d, Absent)
LAYERS: dict[str, Any] = {cls.__name__: cls for cls in _OWN}

ADOPTED = "_adopted_by_workbench"
"""An attribute of every adopted network, another value for each adoption: code with the same tree of modules may
compute something else, so what is remembered by architecture must tell adoptions apart."""


def spec_of(module: nn.Module) -> dict[str, Any] | None:
    """Plain data that rebuilds `module`, or None for a module that this package does not define."""
    if type(module) is QuantizedInput:
        return {"type": QuantizedInput.__name__, **module.spec()}
    for name, cls in LAYERS.items():
        if type(module) is cls:
            return {"type": name, **_with_bare_parts(module).spec()}
    return None


def from_spec(spec: Mapping[str, Any], present: nn.Module | None = None) -> nn.Module:
    """The module that a spec describes, weights not yet set; FileError when it describes none.

    present: what stands in its place, which a module that goes around another layer takes in.
    """
    rest = dict(spec)
    name = str(rest.pop("type", ""))
    if name not in (*LAYERS, QuantizedInput.__name__):
        known = ", ".join((*LAYERS, QuantizedInput.__name__))
        raise FileError(f"The file names a layer {spec.get('type')!r}; this version knows {known}.")
    try:
        return LAYERS[name].of_spec(rest) if name in LAYERS else QuantizedInput.of_spec(rest, present)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise FileError(f"The file describes a {spec['type']} that cannot be built: {error}.") from None


def goes_around(spec: Mapping[str, Any]) -> bool:
    """Whether a spec is of a module that takes in what stands in its place, also inside a module of this package."""
    return spec.get("type") == QuantizedInput.__name__


def _with_bare_parts(module: Any) -> Any:
    """The same module, its parts without what was put around them: its description is about them alone."""
    twin = copy.copy(module)
    twin._modules = {name: part if part is None else bare(part) for name, part in module._modules.items()}
    return twin
