"""Sweeps: many recipes, computed here, in processes of this machine or on a Dask scheduler, each stored once."""

from __future__ import annotations

from .axes import POINTS, Axis, along, axis, grid, parse_axis
from .cluster import Scheduler
from .growing import sweep
from .here import Here
from .local import Processes

__all__ = ["POINTS", "Axis", "Here", "Processes", "Scheduler", "along", "axis", "grid", "parse_axis", "sweep"]
