"""See, measure and explain what neural-network compression does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ui.door import Workbench

__all__ = ["Workbench", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Workbench`, which brings torch and the widgets along, is loaded when it is asked for."""
    if name != "Workbench":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .ui.door import Workbench

    return Workbench
