"""Modules that a compressed network may contain, and how channels hang together.

`spec_of` and `from_spec` turn such a module into plain data and back, so that a file can say which layer
stands where; torch's own modules need no entry, since the network's builder makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..core.errors import FileError
from .factorised import FactorisedConv2d, FactorisedLinear

LAYERS: dict[str, type[FactorisedLinear] | type[FactorisedConv2d]] = {
    cls.__name__: cls for cls in (FactorisedLinear, FactorisedConv2d)
}

ADOPTED = "_adopted_by_workbench"
"""An attribute of every adopted network, another value for each adoption: code with the same tree of modules may
compute something else, so what is remembered by architecture must tell adoptions apart."""


def spec_of(module: nn.Module) -> dict[str, Any] | None:
    """Plain data that rebuilds `module`, or None for a module that this package does not define."""
    for name, cls in LAYERS.items():
        if type(module) is cls:
            return {"type": name, **module.spec()}
    return None


def from_spec(spec: Mapping[str, Any]) -> nn.Module:
    """The module that a spec describes, weights not yet set; FileError when it describes none."""
    rest = dict(spec)
    cls = LAYERS.get(str(rest.pop("type", "")))
    if cls is None:
        raise FileError(f"The file names a layer {spec.get('type')!r}; this version knows {', '.join(LAYERS)}.")
    try:
        return cls.of_spec(rest)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise FileError(f"The file describes a {spec['type']} that cannot be built: {error}.") from None
