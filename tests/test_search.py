"""A search under a budget: its space, its estimate, real trials, going on where it was killed, and brute force."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace

import pytest

pytest.importorskip("optuna", reason="needs the extra: compression-workbench[search]")

from workbench.cli import main
from workbench.core.budget import parse_budget
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, from_json, to_json
from workbench.core.records import Accuracy, Measurement, Run, Sensitivity, SensitivityPoint
from workbench.experiment.live import Live
from workbench.experiment.pipeline import canonical
from workbench.experiment.reports import Failed, Measured, Searched
from workbench.experiment.run import run
from workbench.experiment.search import Met, search
from workbench.experiment.search.opening import Plan, planned
from workbench.experiment.search.pipelines import PIPELINES, fitting
from workbench.experiment.search.propose import Tried, domain, proposed
from workbench.experiment.search.solve import IMAGES, ladder_of, sampled, strongest
from workbench.experiment.search.space import LARGEST, space_of
from workbench.experiment.store import Store
from workbench.experiment.subject import subject_named
from workbench.methods import method_named, parse_given

PRUNE, SHARE = parse_given("prune.magnitude_iter"), parse_given("quant.kmeans_share:bits=4,init=linear,biases=shared")
RECIPE = Recipe("lenet5_1998", "digits", (PRUNE, SHARE))
BUDGET = "bytes<=20000,accuracy_drop<=0.02"


@pytest.fixture(scope="module")
def subject():
    return subject_named("lenet5_1998", "digits")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("search") / "runs.sqlite")


def drawn(layers: dict[str, dict[float, int]], knob: str = "pruning_ratio") -> Sensitivity:
    """A scan by hand: layer -> value -> right answers of 1000; dense 990."""
    points = tuple(
        SensitivityPoint(layer, value, Accuracy(correct, 1000, 1000, "validation"), 1)
        for layer, curve in layers.items()
        for value, correct in curve.items()
    )
    dense = Accuracy(990, 1000, 1000, "validation")
    return Sensitivity("n", "d", "prune.magnitude_iter", knob, dense, points, True, tuple(layers))


def test_what_a_step_names_is_held_and_the_rest_is_open():
    scans = (drawn({"conv1": {0.0: 990}, "fc1": {0.0: 990}}), None)
    step = replace(PRUNE, per_layer={"conv1": {"pruning_ratio": 0.2}})
    quick = Recipe("n", "d", (step, parse_given("quant.kmeans_share:bits=4,biases=shared")))
    names = [free.name for free in space_of(quick, scans, {}).free]
    assert names == ["1 fc1 pruning_ratio", "2 init", "2 book"], "nothing trains, so no learning rate is open"
    tuned = quick.with_steps(parse_given("prune.magnitude_iter:pruning_ratio=0.5,epochs=2"))
    assert [free.name for free in space_of(tuned, (None,), {}).free] == ["1 learning_rate"]


def test_only_the_largest_layers_have_values_of_their_own():
    layers = {f"conv{i}": {0.0: 990, 0.5: 980} for i in range(LARGEST + 3)}
    sizes = {name: i for i, name in enumerate(layers)}
    found = space_of(Recipe("n", "d", (PRUNE,)), (drawn(layers),), sizes)
    assert [free.layer for free in found.free] == [f"conv{i}" for i in range(3, LARGEST + 3)] + [""]
    ladder = ladder_of(found, (drawn(layers),), dict.fromkeys(layers, 1))
    assert ladder.at(0.005) == pytest.approx(dict.fromkeys((free.name for free in found.free), 0.25))


def test_open_values_make_a_recipe_and_come_back_from_it():
    scans = (drawn({"conv1": {0.0: 990}, "fc1": {0.0: 990}}), None)
    space = space_of(Recipe("n", "d", (PRUNE, parse_given("quant.kmeans_share:init=random,book=bfloat16"))), scans, {})
    params = {"1 conv1 pruning_ratio": 0.3049, "1 fc1 pruning_ratio": 0.5, "2 bits": 3, "2 biases": "shared"}
    made = space.recipe_of(params)
    assert made == canonical(made)
    assert made.steps[0].per_layer == {"conv1": {"pruning_ratio": 0.3}}, "on the knob's steps; 0.5 is the step's own"
    assert made.steps[1].knobs["bits"] == 3 and made.steps[1].knobs["init"] == "random"
    assert space.params_of(made) == {**params, "1 conv1 pruning_ratio": 0.3}
    assert space.params_of(made.with_steps(made.steps[0])) is None
    other = replace(made.steps[1], knobs={**made.steps[1].knobs, "init": "linear"})
    assert space.params_of(made.with_steps(made.steps[0], other)) is None, "another value where one is held"
    near = space.around(params, 0.1).free
    assert [(f.spec.low, f.spec.high) for f in near[:3]] == [(0.21, 0.4), (0.4, 0.6), (2, 4)]
    narrow = space.narrowed({"1 conv1 pruning_ratio": (0.4, 0.6)})
    assert narrow.params_of(made) is None and from_json(to_json(narrow), type(narrow)) == narrow


def test_the_strongest_value_is_found_between_measured_ones():
    ratio, bits = (knobs_of(method_named(m))[k] for m, k in ((PRUNE.method, "pruning_ratio"), (SHARE.method, "bits")))
    scan = drawn({"a": {0.0: 990, 0.3: 980, 0.6: 985, 0.9: 790}})
    assert strongest(scan, "a", 0.01, ratio, False) == pytest.approx(0.6), "a luckier value behind is held as well"
    assert strongest(scan, "a", 0.005, ratio, False) == pytest.approx(0.15)
    assert strongest(scan, "a", 0.105, ratio, False) == pytest.approx(0.75)
    assert strongest(scan, "a", 1.0, ratio, False) == 0.9
    assert strongest(drawn({"a": {0.3: 900}}), "a", 0.01, ratio, False) == 0.3
    coded = drawn({"a": {1: 500, 2: 900, 4: 985, 8: 990}}, "bits")
    assert [strongest(coded, "a", t, bits, True) for t in (0.0, 0.01, 0.09, 0.3, 0.6)] == [8, 4, 2, 2, 1]


def test_a_layer_that_is_left_whole_alone_is_not_taken_to_bear_everything():
    ratio = knobs_of(method_named("prune.l1_filter"))["pruning_ratio"]
    whole = Accuracy(990, 1000, 1000, "validation", loss=0.25)
    points = [SensitivityPoint("a", value, whole, 1, "tied to b") for value in (0.0, 0.5, 0.9)]
    points += [SensitivityPoint("b", value, replace(whole, loss=0.25 + value), 1) for value in (0.0, 0.5, 0.9)]
    scan = replace(drawn({}), dense=whole, points=tuple(points), layers=("a", "b"))
    assert [strongest(scan, layer, 0.01, ratio, False) for layer in "ab"] == [0.0, 0.9]


def test_ranges_are_those_of_the_knobs():
    def of(method: str, name: str):
        return domain(knobs_of(method_named(method))[name])

    rate, rank, share = of(SHARE.method, "learning_rate"), of("lowrank.cp", "rank"), of(PRUNE.method, "pruning_ratio")
    assert (rate.low, rate.high, rate.log) == (1e-5, 0.1, True)
    assert (rank.low, rank.high) == (1, 256)
    assert (share.low, share.high, share.step) == (0.0, 0.99, 0.01)
    assert of(SHARE.method, "init").choices == ("linear", "density", "random")
    assert of("struct.circulant", "signs").choices == (False, True)


def test_the_sample_is_used_where_there_are_many_images(subject):
    assert sampled(subject) is subject and len(subject.dataset.validation.labels) <= 2 * IMAGES
    many = replace(subject.dataset, validation=subject.dataset.train)
    few = sampled(replace(subject, dataset=many, _dense={}))
    assert len(few.dataset.validation.labels) == IMAGES
    assert few.dense_accuracy("validation").n == IMAGES


def test_usual_pipelines_fit_what_is_asked_for(subject):
    alone = Recipe("lenet5_1998", "digits")
    assert len(fitting(alone, parse_budget("bytes<=1000"), subject)) == len(PIPELINES)
    less = fitting(alone, parse_budget("macs<=1e5"), subject)
    assert [r.steps[0].method for r in less] == ["prune.l1_filter", "lowrank.tsvd"]
    assert all(canonical(r) for r in less)


def test_trials_are_real_runs_and_the_best_is_within_the_budget(subject, store):
    *earlier, made = search(RECIPE, BUDGET, trials=3, store=store, subject=subject)
    assert [len(x.trials) for x in (*earlier, made)] == [0, 1, 2, 3, 3]
    assert made.complete and not earlier[-1].complete and earlier[0].proposal == made.proposal
    first, guess = made.trials[0], made.proposal.figures
    assert first.recipe == made.proposal.recipe, "the estimate is tried first"
    assert guess["bytes"] == pytest.approx(first.figures["bytes"], rel=0.01)
    assert guess["accuracy"] == first.figures["accuracy"], "nothing trains here and every image was looked at"
    assert len({trial.recipe.key for trial in made.trials}) == 3
    best = made.best
    again = run(best.recipe, split="validation", subject=subject)
    dense = subject.dense_accuracy("validation").accuracy
    assert best.met and len(again.data) == best.figures["bytes"] <= 20000
    assert dense - again.run.measurement.accuracy.accuracy == pytest.approx(best.figures["accuracy_drop"])
    assert {t.measurement.accuracy.split for t in made.trials} == {"validation"}
    assert {t.measurement.accuracy.n for t in made.trials} == {360}
    assert store.runs("lenet5_1998", "digits", "test", subject.fingerprint) == []


def test_the_same_call_goes_on_and_what_is_known_costs_nothing(subject, store):
    def never(recipe: Recipe, progress: Progress) -> Met:
        known = store.get(recipe, "validation", subject.fingerprint)
        assert known is not None, "measured again"
        return Met(known, True)

    *_, first = search(RECIPE, BUDGET, trials=3, store=store, subject=subject)
    *_, made = search(RECIPE, BUDGET, trials=3, store=store, subject=subject, measure=never)
    assert [t.recipe for t in made.trials] == [t.recipe for t in first.trials]
    assert all(t.known for t in made.trials) and made.best.recipe == first.best.recipe
    *_, wider = search(RECIPE, "bytes<=21000,accuracy_drop<=0.02", trials=1, store=store, subject=subject)
    assert {t.recipe.key for t in wider.earlier} & {t.recipe.key for t in first.trials}, "another budget, same steps"
    assert wider.best.figures["bytes"] <= first.best.figures["bytes"]


def made_up(recipe: Recipe, progress: Progress) -> Met:
    """A run by formula: fc1 is large and patient, conv2 small and sensitive."""
    progress.check()
    own = recipe.steps[0].per_layer
    large, small = (own.get(x, {}).get("pruning_ratio", 0.5) for x in ("fc1", "conv2"))
    size = 1000 + round(48000 * (1 - large) + 2400 * (1 - small))
    right = 355 - round(40 * large**6 + 60 * small**2)
    found = Measurement(Accuracy(right, 360, 360, "validation"), size, 250_000, {}, 1, 1, 1, 1)
    return Met(Run(recipe, found, (), (), (), None), False)  # type: ignore[arg-type]


TWO = Recipe("lenet5_1998", "digits", (replace(PRUNE, layers=("conv2", "fc1")),))
FORMULA = "bytes<=12000,accuracy>=0.9"


def test_brute_force_finds_hardly_anything_better(subject, store):
    *_, made = search(TWO, FORMULA, trials=25, store=store, subject=subject, measure=made_up)
    space = planned(
        TWO, parse_budget(FORMULA), subject, store=store, known=(), progress=Progress()
    ).openings[0].space  # fmt: skip
    grid = [i / 50 for i in range(50)]
    every = [
        made_up(space.recipe_of(dict(zip((f.name for f in space.free), pair, strict=True))), Progress()).run.measurement
        for pair in itertools.product(grid, grid)
    ]
    smallest = min(m.file_bytes for m in every if m.file_bytes <= 12000 and m.accuracy.accuracy >= 0.9)
    assert made.best.met and made.best.figures["bytes"] <= 1.1 * smallest
    fewest = [t.figures["bytes"] for t in made.frontier]
    assert fewest == sorted(fewest) and made.best.number in [t.number for t in made.frontier]


def test_the_same_seed_gives_the_same_trials_also_after_a_kill(subject, store):
    course = search(TWO, FORMULA, trials=9, store=store, subject=subject, measure=made_up)
    killed = list(itertools.islice(course, 6))[-1]
    course.close()
    whole = [*search(TWO, FORMULA, trials=9, store=store, subject=subject, measure=made_up)][-1]
    assert [t.recipe for t in whole.trials[:5]] == [t.recipe for t in killed.trials]
    other = [*search(replace(TWO, seed=1), FORMULA, trials=9, store=store, subject=subject, measure=made_up)][-1]
    again = [*search(TWO, FORMULA, trials=9, store=store, subject=subject, measure=made_up)][-1]
    assert [t.recipe for t in again.trials] == [t.recipe for t in whole.trials]
    assert [t.recipe.steps for t in other.trials] != [t.recipe.steps for t in whole.trials]


def test_what_is_proposed_depends_on_the_past(subject, store):
    budget = parse_budget(FORMULA)
    space = planned(TWO, budget, subject, store=store, known=(), progress=Progress()).openings[0].space
    past = [
        Tried(dict.fromkeys((f.name for f in space.free), r), {"bytes": 1e4 * (1 - r), "accuracy": 1 - r / 3})
        for r in (0.1, 0.2, 0.5, 0.6, 0.7)
    ]
    one = proposed(space, budget, past, seed=5)
    assert one == proposed(space, budget, past, seed=5) != proposed(space, budget, past[:-1], seed=5)
    assert all(free.spec.accepts(one[free.name]) for free in space.free)


def test_a_budget_that_cannot_be_met_is_said_with_the_closest(subject, store):
    *_, made = search(TWO, "bytes<=3000,accuracy>=0.97", trials=5, store=store, subject=subject, measure=made_up)
    assert not made.best.met and not made.proposal.met
    assert made.said.startswith("None of 5 trials is within bytes<=3000,accuracy>=0.97; the closest has bytes ")
    missed = [made.budget.missed(t.figures) for t in made.trials]
    assert made.budget.missed(made.best.figures) == min(missed) > 0


def test_everything_held_is_one_trial_and_a_refusal_is_told(subject):
    held = Recipe("lenet5_1998", "digits", (parse_given("prune.magnitude_iter:pruning_ratio=0.5"),))
    *_, made = search(held, "bytes<=1e6", trials=5, subject=subject)
    assert made.complete and len(made.trials) == 1 and made.best.met

    def refuses(recipe: Recipe, progress: Progress) -> Met:
        raise WorkbenchError("Not this one.")

    *_, none = search(held, "bytes<=1e6", trials=5, subject=subject, measure=refuses)
    assert none.best is None and none.trials[0].why == "Not this one."
    assert none.said == "Every trial was refused: Not this one."


def test_cancelling_takes_less_than_a_second(subject, store):
    stop: list[float] = []
    progress = Progress(cancelled=lambda: bool(stop))
    course = search(RECIPE, "bytes<=13000", trials=50, store=store, subject=subject, progress=progress)
    next(course)
    next(course)
    stop.append(time.perf_counter())
    with pytest.raises(Cancelled):
        next(course)
    assert time.perf_counter() - stop[0] < 1.0

    def asked(doing: str, share: float | None) -> None:
        if doing.endswith("Measuring accuracy") and not stop:
            stop.append(time.perf_counter())

    stop.clear()
    inside = Progress(asked, lambda: bool(stop))
    with pytest.raises(Cancelled):
        list(search(RECIPE, "bytes<=12000", trials=50, store=store, subject=subject, progress=inside))
    assert time.perf_counter() - stop[0] < 1.0


@pytest.mark.parametrize(
    ("recipe", "budget", "trials", "sentence"),
    [
        (RECIPE, "bytes", 1, "no limit of a budget"),
        (RECIPE, "bytes<=1", 0, r"trials must be an integer in \[1, 10000\]; got 0"),
        (Recipe("lenet5_1998", "digits", (replace(PRUNE, knobs={"no": 1}),)), "bytes<=1", 1, "has no knob 'no'"),
        (Recipe("nothing", "digits", (PRUNE,)), "bytes<=1", 1, "nothing"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(recipe: Recipe, budget: str, trials: int, sentence: str):
    with pytest.raises(WorkbenchError, match=sentence):
        search(recipe, budget, trials=trials)


def test_on_the_command_line(capsys, tmp_path, store, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(store.path.parent))
    words = ["search", "--network", "lenet5_1998", "--dataset", "digits", "--step", "prune.magnitude_iter@fc1"]
    out = tmp_path / "best.wbz"
    more = ["--budget", "bytes<=150000", "--trials", "2"]
    assert main([*words, *more, "--json", "-o", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["met"] and told["best"]["figures"]["bytes"] == out.stat().st_size <= 150000
    assert len(told["trials"]) == 2 and told["complete"] and told["split"] == "validation"
    assert told["estimate"]["steps"] == told["trials"][0]["steps"]
    assert main([*words, *more]) == 0
    text = capsys.readouterr().out
    assert "estimate" in text and "within" in text and "workbench compress --network lenet5_1998" in text
    assert main([*words, "--budget", "size<=3"]) == 2
    assert "cannot limit 'size'" in capsys.readouterr().err


def test_the_page_hears_of_every_trial_and_can_stop(store):
    heard: list = []
    live = Live(heard.append, store)
    try:
        live.search(TWO, "bytes<=150000", trials=2)
        assert live.wait(120)
        assert not [event for event in heard if isinstance(event, Failed)]
        told = [event for event in heard if isinstance(event, Searched)]
        assert told[-1].search.complete and all(event.recipe == TWO for event in told)
        drawn_on_curve = {event.recipe.key for event in heard if isinstance(event, Measured)}
        assert drawn_on_curve == {t.recipe.key for t in told[-1].search.trials}
        assert live.file_of(told[-1].search.trials[0].recipe) is not None
        with pytest.raises(WorkbenchError, match="no limit"):
            live.search(TWO, "small please")
        live.search(TWO, "bytes<=140000", trials=500)
        time.sleep(0.5)
        began = time.perf_counter()
        live.cancel()
        assert live.wait(20) and time.perf_counter() - began < 1.5
    finally:
        live.close()


@pytest.mark.slow
def test_without_steps_one_of_the_pipelines_goes_on(subject, store):
    *_, made = search(Recipe("lenet5_1998", "digits"), BUDGET, trials=5, store=store, subject=subject)
    plan = store.get_plan(Recipe("lenet5_1998", "digits"), BUDGET, subject.fingerprint, Plan)
    first = [tuple(s.method for s in t.recipe.steps) for t in made.trials[: len(plan.openings)]]
    assert len(set(first)) == len(plan.openings) >= 2
    going_on = {tuple(s.method for s in t.recipe.steps) for t in made.trials[len(plan.openings) :]}
    assert len(going_on) <= 1 and going_on <= set(first)
    assert made.best.met
