"""The line under the points that nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def frontier_line(points: Sequence[tuple[float, float]], name: str, colour: str) -> dict[str, Any]:
    """A broad pale trace in steps. points: (bytes, accuracy), ascending in both."""
    return {
        "type": "scatter",
        "name": name,
        "x": [size for size, _ in points],
        "y": [accuracy for _, accuracy in points],
        "mode": "lines",
        "line": {"color": colour, "width": 8, "shape": "hv"},
        "opacity": 0.3,
        "hoverinfo": "skip",
        "showlegend": len(points) > 1,
        "zorder": 0,
    }
