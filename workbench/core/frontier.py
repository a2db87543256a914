"""What nothing else beats: the settings worth looking at, of any number of methods."""

from __future__ import annotations

from collections.abc import Sequence


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (bytes, accuracy) pairs that no other beats, ascending in both.

    None is as small and more accurate, or as accurate and smaller; of equal pairs the first counts.
    """
    found: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not found or points[i][1] > points[found[-1]][1]:
            found.append(i)
    return found
