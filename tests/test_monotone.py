"""The curve between measured runs, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from workbench.core.monotone import between


@pytest.mark.parametrize("seed", range(20))
def test_equals_scipys_monotone_cubic(seed):
    draw = np.random.default_rng(seed)
    xs = np.sort(draw.choice(1000, draw.integers(2, 12), replace=False)) / 100
    ys = np.round(draw.normal(size=len(xs)), draw.integers(0, 4))  # rounded: some neighbours are equal
    theirs = PchipInterpolator(xs, ys)
    for x in [*xs, *draw.uniform(xs[0], xs[-1], 30)]:
        assert between(xs, ys, x) == pytest.approx(float(theirs(x)), rel=1e-12, abs=1e-12)


def test_goes_through_the_points_and_stays_between_them():
    xs, ys = [0.0, 0.5, 0.6, 0.9], [0.99, 0.98, 0.4, 0.1]
    assert [between(xs, ys, x) for x in xs] == pytest.approx(ys)
    curve = [between(xs, ys, x) for x in np.linspace(0, 0.9, 200)]
    assert curve == sorted(curve, reverse=True) and max(curve) <= 0.99 and min(curve) >= 0.1
