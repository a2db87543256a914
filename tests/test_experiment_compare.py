"""Comparisons against curves whose answer is known, and against a plain second computation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from workbench.cli import main
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.core.records import Accuracy, Measurement
from workbench.experiment.compare import Entry, compare

N = 10_000
DENSE = 1_600_000


def entry(method: str, knob: str, value, size: int, accuracy: float, *, seed: int = 0, n: int = N, **knobs) -> Entry:
    recipe = Recipe("lenet5", "mnist", (Step(method, {knob: value, **knobs}),), seed)
    right = Accuracy(round(accuracy * n), n, n, "test")
    return Entry(recipe, Measurement(right, size, DENSE, {"weights": size}, 10, 10, 1, 1))


def curve(method: str, knob: str, shrink: float = 1.0, lift: float = 0.0) -> list[Entry]:
    sizes = [20_000, 50_000, 100_000, 200_000, 400_000]
    found = [0.80, 0.90, 0.95, 0.97, 0.98]
    values = [2, 3, 4, 5, 6] if knob == "bits" else [0.9, 0.8, 0.7, 0.6, 0.5]
    return [entry(method, knob, v, round(s * shrink), a + lift) for v, s, a in zip(values, sizes, found, strict=True)]


PRUNED = curve("prune.magnitude_iter", "pruning_ratio")
QUANTIZED = curve("quant.int8_linear", "bits", shrink=0.8)


def test_a_fifth_fewer_bytes_at_every_accuracy():
    found = compare([*PRUNED, *QUANTIZED])
    rate = found.rate["quant.int8_linear"]
    assert found.baseline == "prune.magnitude_iter"
    assert rate.value == pytest.approx(-0.2, abs=1e-6)
    assert rate.low < -0.2 < rate.high < 0
    back = compare([*PRUNED, *QUANTIZED], baseline="quant.int8_linear").rate["prune.magnitude_iter"]
    assert back.value == pytest.approx(0.25, abs=1e-6)


def test_a_point_more_at_every_size():
    lifted = curve("quant.int8_linear", "bits", lift=0.01)
    gain = compare([*PRUNED, *lifted]).gain["quant.int8_linear"]
    assert gain.value == pytest.approx(0.01, abs=1e-9)
    assert gain.low < 0.01 < gain.high


def test_equal_bytes_and_equal_accuracy_at_the_settings_themselves():
    dense = Accuracy(9_900, N, N, "test")
    found = compare(PRUNED, dense=dense, ratios=(16, 8, 400), losses=(0.02, 0.001))
    at_100k, at_200k, too_small = (row.answers["prune.magnitude_iter"] for row in found.at_bytes)
    assert (at_100k.value, at_200k.value) == (pytest.approx(0.95), pytest.approx(0.97))
    assert too_small.value is None
    assert too_small.why == "its smallest file has 20,000 bytes"
    reached, missed = (row.answers["prune.magnitude_iter"] for row in found.at_accuracy)
    assert reached.value == pytest.approx(200_000)
    assert (missed.value, missed.why) == (None, "it reaches 98.00 %")


def test_the_interval_is_that_of_the_test_images():
    point = compare(PRUNED, draws=4000).curves[0].points[2]
    low, high = binom.interval(0.95, N, 0.95)
    assert point.low == pytest.approx(low / N, abs=6e-4)
    assert point.high == pytest.approx(high / N, abs=6e-4)


def test_area_is_the_mean_over_the_logarithm_of_bytes():
    found = compare(curve("prune.magnitude_iter", "pruning_ratio")).area["prune.magnitude_iter"]
    sizes, accuracies = np.log([20_000, 50_000, 100_000, 200_000, 400_000]), [0.80, 0.90, 0.95, 0.97, 0.98]
    trapezoid = np.trapezoid(accuracies, sizes) / (sizes[-1] - sizes[0])
    assert found.value == pytest.approx(trapezoid, abs=0.005)
    assert found.value > trapezoid, "the curve is concave, so chords lie below it"


def test_seeds_are_averaged_and_widen_the_interval():
    apart = [entry("quant.int8_linear", "bits", 4, 50_000, a, seed=s) for s, a in enumerate([0.90, 0.94, 0.92])]
    alike = [entry("quant.int8_linear", "bits", 4, 50_000, 0.92, seed=s) for s in range(3)]
    (wide,), (narrow,) = (compare(runs).curves[0].points for runs in (apart, alike))
    assert wide.accuracy == pytest.approx(0.92)
    assert wide.runs == 3
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_where_more_bytes_bought_nothing_the_curve_is_flat():
    """Chance from 20,000 to 100,000 bytes, then 90 %: nothing was seen that would be better than chance at 90,000."""
    sizes = {20_000: 0.1, 50_000: 0.0995, 100_000: 0.1, 200_000: 0.9}
    runs = [entry("quant.int8_linear", "bits", b, s, a) for b, (s, a) in enumerate(sizes.items(), 2)]
    found = compare(runs, ratios=(DENSE / 90_000, DENSE / 150_000))
    flat, rising = (row.answers["quant.int8_linear"].value for row in found.at_bytes)
    assert flat == pytest.approx(0.1)
    assert 0.2 < rising < 0.9
    assert [p.best for p in found.curves[0].points] == [True, False, False, True]


def test_only_the_best_settings_make_the_curve():
    worse = entry("prune.magnitude_iter", "pruning_ratio", 0.55, 300_000, 0.5)
    found = compare([*PRUNED, worse])
    marked = {round(p.file_bytes): p.best for p in found.curves[0].points}
    assert marked[300_000] is False
    assert sum(marked.values()) == 5
    assert found.area == compare(PRUNED).area
    assert [size for _, size, _ in found.frontier] == pytest.approx([20e3, 50e3, 100e3, 200e3, 400e3])


def test_trained_settings_are_a_curve_of_their_own():
    trained = entry("prune.magnitude_iter", "pruning_ratio", 0.9, 20_000, 0.97, epochs=2)
    assert [c.name for c in compare([*PRUNED, trained]).curves] == [
        "prune.magnitude_iter",
        "prune.magnitude_iter (trained)",
    ]


def test_curves_that_do_not_meet_say_so():
    far = [entry("quant.int8_linear", "bits", b, s, a) for b, s, a in [(2, 2_000, 0.2), (3, 3_000, 0.3)]]
    found = compare([*PRUNED, *far])
    assert found.rate["quant.int8_linear"].why == "the two reach no accuracy in common"
    assert found.gain["quant.int8_linear"].why == "the two have no file sizes in common"
    assert {b.why for b in found.area.values()} == {"the curves have no file sizes in common"}


def other(e: Entry, **changes) -> Entry:
    return Entry(replace(e.recipe, **changes), e.measurement)


def validation(e: Entry) -> Entry:
    return Entry(e.recipe, replace(e.measurement, accuracy=replace(e.measurement.accuracy, split="validation")))


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ([], "There is nothing to compare: no run was given"),
        ([other(PRUNED[0], steps=())], "no run has a step"),
        ([PRUNED[0], other(QUANTIZED[0], dataset="digits")], "several datasets, digits, mnist"),
        ([PRUNED[0], other(QUANTIZED[0], network="lenet_300_100")], "several networks, lenet5, lenet_300_100"),
        ([PRUNED[0], validation(QUANTIZED[0])], "several splits, test, validation"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs, sentence):
    with pytest.raises(WorkbenchError, match=sentence):
        compare(runs)


def test_an_unknown_baseline_is_refused_by_name():
    with pytest.raises(WorkbenchError, match="There is no curve 'x' to compare with; there are prune.magnitude_iter"):
        compare(PRUNED, baseline="x")


def test_files_on_the_command_line(tmp_path, capsys):
    network = ["--network", "lenet5_1998", "--dataset", "digits"]
    files = []
    for step in ("quant.int8_linear:bits=4", "quant.int8_linear:bits=8", "prune.magnitude_iter:pruning_ratio=0.5"):
        files.append(str(tmp_path / f"{len(files)}.wbz"))
        assert main(["compress", *network, "--step", step, "-o", files[-1]]) == 0
    capsys.readouterr()
    assert main(["compare", *files]) == 0
    text = capsys.readouterr().out
    assert "accuracy at 4x" in text
    assert "prune.magnitude_iter" in text
    assert main(["compare", *files, "--baseline", "nothing"]) == 2
    assert main(["compare"]) == 2
    assert "name files, runs, or a network and a dataset" in capsys.readouterr().err
    assert main(["compare", "abcdef0123"]) == 2
    assert "no run 'abcdef0123'" in capsys.readouterr().err


def test_numbers_are_finite_for_a_single_setting_each():
    found = compare([PRUNED[1], QUANTIZED[1]])
    values = [b.value for row in found.at_bytes for b in row.answers.values() if b.value is not None]
    assert all(math.isfinite(v) for v in values)
