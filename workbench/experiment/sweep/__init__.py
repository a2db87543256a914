"""Sweeps: many recipes, computed here, in processes of this machine or on a Dask scheduler, each stored once."""

from __future__ import annotations

from .asked import Asked, Turned, recipes
from .axes import POINTS, Axis, along, axis, grid, parse_axis
from .cluster import Scheduler
from .growing import sweep
from .here import Here
from .local import Processes

__all__ = [
    "POINTS",
    "Asked",
    "Axis",
    "Here",
    "Processes",
    "Scheduler",
    "Turned",
    "along",
    "axis",
    "grid",
    "parse_axis",
    "recipes",
    "sweep",
]
