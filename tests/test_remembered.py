"""Pages that share a store: what one has measured the others know."""

from __future__ import annotations

import sqlite3
import time

import pytest

from workbench.core.recipe import Recipe
from workbench.experiment import remembered
from workbench.experiment.live import Live
from workbench.experiment.newest import Newest
from workbench.experiment.pipeline import canonical
from workbench.experiment.remembered import Remembered
from workbench.experiment.reports import Estimated, Learnt, Measured, Sampled
from workbench.experiment.run import run
from workbench.experiment.store import Store
from workbench.experiment.subject import subject_named
from workbench.methods import parse_step

NETWORK, DATA = "lenet5_1998", "digits"


def recipe(*steps: str) -> Recipe:
    return canonical(Recipe(NETWORK, DATA, tuple(map(parse_step, steps))))


@pytest.fixture(scope="module")
def subject():
    return subject_named(NETWORK, DATA)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs.sqlite")


@pytest.fixture
def pages(tmp_path):
    """Makes pages that share one store; each has what it was told in `events`."""
    made = []

    def page() -> Live:
        events: list = []
        made.append(Live(events.append, Store(tmp_path / "runs.sqlite")))
        made[-1].events = events
        return made[-1]

    yield page
    for one in made:
        one.close()


def told(page: Live, kind: type) -> list:
    return [event for event in page.events if isinstance(event, kind)]


def test_a_curve_that_another_page_measured_is_there_at_once(pages):
    here, there = pages(), pages()
    for page in (here, there):
        page.show(recipe("prune.magnitude_iter:pruning_ratio=0.5"))
        assert page.wait(30)
    there.fill(recipe("quant.kmeans_share"), 0, "bits", points=4)
    assert there.wait(60)
    guess = here.show(recipe("quant.kmeans_share:bits=4"))
    assert guess is not None and guess.source == "4 runs along bits"
    here.wait(30)
    before = len(told(here, Measured))
    here.fill(recipe("quant.kmeans_share"), 0, "bits", points=4)
    (learnt,) = told(here, Learnt)
    assert [r.recipe.steps[0].knobs["bits"] for r in learnt.runs] == [1, 3, 6, 8]
    assert here.wait(30) and len(told(here, Measured)) == before


def test_only_the_rest_of_a_curve_is_measured(pages):
    page = pages()
    page.show(recipe("quant.kmeans_share:bits=3"))
    page.wait(30)
    page.fill(recipe("quant.kmeans_share"), 0, "bits", points=4)
    assert page.wait(60)
    assert [r.recipe.steps[0].knobs["bits"] for r in told(page, Learnt)[0].runs] == [3]
    assert [e.recipe.steps[0].knobs["bits"] for e in told(page, Measured)] == [3, 1, 6, 8]


def test_what_another_page_measured_is_not_measured_again_and_has_its_file(pages):
    here, there, asked = pages(), pages(), recipe("quant.kmeans_share:bits=2")
    there.show(asked)
    assert there.wait(30)
    here.show(asked)
    assert here.wait(30)
    assert [e.run for e in told(here, Measured)] == [told(there, Measured)[-1].run]
    assert not told(here, Sampled) and not told(here, Estimated)
    assert here.file_of(asked) == there.file_of(asked) is not None


def test_a_file_that_came_out_otherwise_is_measured_itself(pages, store, subject, monkeypatch):
    asked = recipe("quant.kmeans_share:bits=2")
    first = run(asked, split="validation", store=store, subject=subject)
    page = pages()
    monkeypatch.setattr("workbench.experiment.live.written", lambda _making: (None, first.data + b"x"))
    page.show(asked)
    assert page.wait(30)
    assert len(told(page, Measured)) == 2 and page.file_of(asked) == first.data


def test_every_run_is_read_once(store, subject, monkeypatch):
    monkeypatch.setattr(remembered, "_LATE_S", 0.0)
    read, runs = [], store.runs
    monkeypatch.setattr(store, "runs", lambda *key, since: read.append(runs(*key, since=since)) or read[-1])
    known = Remembered(store, lambda: None)
    first = run(recipe("quant.kmeans_share:bits=2"), split="validation", store=store, subject=subject).run
    assert known.of(subject).get(first.recipe) == first
    second = run(recipe("quant.kmeans_share:bits=3"), split="validation", store=store, subject=subject).run
    assert known.of(subject).get(second.recipe) == second and known.of(subject).get(first.recipe) == first
    assert [len(found) for found in read] == [1, 1, 0]


def test_a_run_that_is_kept_a_little_later_than_it_says_is_not_missed(store, subject):
    known = Remembered(store, lambda: None)
    known.of(subject)
    late = run(recipe("quant.kmeans_share:bits=2"), split="validation", store=store, subject=subject).run
    with sqlite3.connect(store.path) as table:
        table.execute("update record set made = made - 1")
    assert known.of(subject).get(late.recipe) == late


def test_with_other_weights_nothing_known_counts(subject, store, monkeypatch):
    forgotten = []
    known = Remembered(store, lambda: forgotten.append(True))
    kept = run(recipe("quant.kmeans_share:bits=2"), split="validation", store=store, subject=subject).run
    assert known.of(subject).get(kept.recipe) == kept and not forgotten
    monkeypatch.setattr(type(subject), "fingerprint", "other")
    assert known.of(subject).get(kept.recipe) is None and forgotten == [True]
    assert known.estimate(kept.recipe) is None


def test_names_that_mean_something_else_are_not_guessed_about(subject, store, monkeypatch):
    known = Remembered(store, lambda: None)
    kept = run(recipe("quant.kmeans_share:bits=2"), split="validation", store=store, subject=subject).run
    known.of(subject)
    assert known.estimate(kept.recipe) is not None and known.at_once(NETWORK, DATA).get(kept.recipe) == kept
    monkeypatch.setattr("workbench.experiment.subject.weights_stamp", lambda *_names: "other weights")
    assert known.estimate(kept.recipe) is None and known.at_once(NETWORK, DATA).get(kept.recipe) is None


def test_nobody_waits_for_who_reads(store, subject):
    known = Remembered(store, lambda: None)
    known.of(subject)
    with known._lock:
        began = time.perf_counter()
        assert known.estimate(recipe("quant.kmeans_share:bits=2")) is None
        assert time.perf_counter() - began < 5
    assert known.at_once("resnet20", DATA).get(recipe()) is None


def test_runs_since_are_found_by_an_index(store):
    with sqlite3.connect(store.path) as table:
        query = "explain query plan select body from record where kind=? and network=? and dataset=? and fingerprint=?"
        (plan,) = table.execute(f"{query} and made>=?", ("run/validation", NETWORK, DATA, "x", 0.0)).fetchall()
    assert "USING INDEX recent" in plan[-1]


def test_the_newest_are_kept():
    kept: Newest[str, int] = Newest(2)
    for i, key in enumerate("abac"):
        kept.put(key, i)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (2, None, 3)
    assert len(kept) == 2
    kept.clear()
    assert len(kept) == 0 and kept.get("a") is None
