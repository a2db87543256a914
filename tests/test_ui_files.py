"""Downloads beside the artifact: made by the worker, one at a time, and off with a reason."""

from __future__ import annotations

import json
import threading
from functools import cache

import pytest
import ui_fakes
from test_ui_app import inside, text_of
from ui_fakes import made_up

from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step
from workbench.experiment.live import Live
from workbench.experiment.pipeline import canonical
from workbench.experiment.questions import Answer, Asked, last
from workbench.experiment.reports import Answered, Failed, Idle, Measured, Working
from workbench.experiment.run import run
from workbench.experiment.subject import subject_named
from workbench.export import _made as made_module
from workbench.export import recipe_of_text
from workbench.report import explained as report
from workbench.ui.files import KINDS, LACKING, File, FileQuestion
from workbench.ui.widgets import DownloadButton

REPORT = pytest.param("report", b"<!DOCTYPE html>", marks=pytest.mark.slow)
RECIPE = Recipe("lenet5_1998", "digits", (Step("prune.l1_filter", {"pruning_ratio": 0.5}),))


@pytest.fixture
def app():
    made = ui_fakes.app()
    recipe = made.state.recipe
    made.live.files[recipe.key] = b"bytes"
    made.live.notify(Measured(recipe, made_up(recipe)))
    yield made
    made.close()


def button(app, label) -> DownloadButton:
    return next(b for b in inside(app.widget, DownloadButton) if b.label == label)


def sent_by(button, monkeypatch) -> list:
    sent = []
    monkeypatch.setattr(button, "send", lambda content, buffers=(): sent.append((content, *buffers)))
    return sent


def want(button) -> None:
    button._hear(button, {"kind": "want"}, [])


def test_a_click_asks_the_worker_and_the_answer_is_handed_out(app, monkeypatch):
    onnx, recipe = button(app, "ONNX"), app.state.recipe
    sent = sent_by(onnx, monkeypatch)
    want(onnx)
    assert app.live.asked[-1] == ("file", recipe, FileQuestion("onnx", app.state.run)) and sent == []
    assert onnx.label == "Making ONNX …" and not any(
        button(app, name).ready for name in ("safetensors", "Report (HTML)")
    )
    found = File("onnx", ".onnx", b"graph", ("5 bytes.", "The same answers."))
    app.live.notify(Answered(recipe, Answer(FileQuestion("onnx", app.state.run), found, final=False)))
    app.live.notify(Answered(recipe, Answer(FileQuestion("onnx", app.state.run), found, final=True)))
    name = f"lenet5-digits-{recipe.key[:8]}.onnx"
    assert sent == [({"kind": "file", "name": name}, b"graph")]
    assert onnx.label == "ONNX" and onnx.ready and f"{name}: 5 bytes. The same answers." in text_of(app)
    assert "file" not in app.state.answers and "file" not in app.state.asked


@pytest.mark.parametrize("end", [Idle("cancelled"), Failed("It cannot be written as ONNX.", "")])
def test_cancelled_or_failed_it_can_be_asked_for_again(app, end):
    onnx = button(app, "ONNX")
    want(onnx)
    app.live.notify(Working("writing ONNX", None))
    assert onnx.label == "Making ONNX …" and not onnx.ready
    app.live.notify(end)
    assert onnx.label == "ONNX" and onnx.ready


def test_another_choice_drops_what_was_being_made(app, monkeypatch):
    onnx, run_ = button(app, "ONNX"), app.state.run
    sent, recipe = sent_by(onnx, monkeypatch), app.state.recipe
    want(onnx)
    app.state.turn("pruning_ratio", 0.9)
    assert onnx.label == "ONNX" and not onnx.ready and LACKING in text_of(app)
    app.live.notify(Answered(recipe, Answer(FileQuestion("onnx", run_), File("onnx", ".onnx", b"", ()), final=True)))
    assert sent == []


def test_what_cannot_be_made_here_says_why_before_it_is_clicked(app, monkeypatch, request):
    monkeypatch.setattr(made_module, "EXTRA", ("no_such_package",))
    made_module.no_onnx.cache_clear()
    request.addfinalizer(made_module.no_onnx.cache_clear)
    app.state.busy = True
    assert not button(app, "ONNX").ready and button(app, "safetensors").ready
    assert "ONNX is off: it takes no_such_package, which `pip install" in text_of(app)
    want(button(app, "ONNX"))
    assert "file" not in app.live.names()


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_the_recipe_is_a_file_that_is_read_back(app, kind, monkeypatch):
    made = button(app, f"Recipe ({kind.upper()})")
    sent = sent_by(made, monkeypatch)
    want(made)
    ((content, data),) = sent
    assert content["name"].endswith(f".{kind}")
    assert canonical(recipe_of_text(data.decode(), kind)) == app.state.recipe
    app.state.steps = ()
    assert not made.ready or app.state.recipe is not None


def test_what_a_visitor_sends_instead_asks_for_nothing(app):
    before = app.live.names()
    for content in (None, "want", {"kind": "file"}, {"kind": ["want"]}, 7):
        button(app, "ONNX")._hear(None, content, [])
    assert app.live.names() == before and app.state.error == ""


@cache
def measured():
    return run(RECIPE, split="validation")


def asked(data) -> Asked:
    return Asked(subject_named("lenet5_1998", "digits"), canonical(RECIPE), lambda _progress: None, lambda: data)


@pytest.mark.parametrize(
    ("kind", "start"),
    [("onnx", b"\x08"), ("onnx-float", b"\x08"), ("safetensors", b""), REPORT],
)
def test_every_kind_is_made_of_the_measured_file(kind, start):
    if kind.startswith("onnx"):
        pytest.importorskip("onnxruntime", reason="needs the extra: compression-workbench[onnx]")
    result = measured()
    made = last(FileQuestion(kind, result.run).answers(asked(result.data), Progress()))
    assert made.kind == kind and made.data.startswith(start) and len(made.data) > 10_000 and made.said
    if kind == "safetensors":
        size = int.from_bytes(made.data[:8], "little")
        assert json.loads(made.data[8 : 8 + size])["__metadata__"]["made_by"].startswith("compression-workbench")
    if kind == "report":
        assert result.run.decisions[0].layer.encode() in made.data


def test_the_report_has_the_decisions_that_were_measured(monkeypatch):
    monkeypatch.setattr(
        report, "explained", lambda opened, *, progress: f"{opened.model.decisions} {opened.asked.recipe}"
    )
    result = measured()
    made = last(FileQuestion("report", result.run).answers(asked(result.data), Progress()))
    assert made.data.decode() == f"{result.run.decisions} {canonical(RECIPE)}" and made.suffix == "-report.html"


def test_without_a_file_it_says_so():
    with pytest.raises(WorkbenchError, match="wait until it is measured"):
        last(FileQuestion("onnx", measured().run).answers(asked(None), Progress()))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "safetensors"])  # that takes a millisecond
def test_a_cancelled_one_ends_at_once(kind):
    result = measured()
    with pytest.raises(Cancelled):
        last(FileQuestion(kind, result.run).answers(asked(result.data), Progress(cancelled=lambda: True)))


def test_the_worker_keeps_no_copy():
    answered, done = [], threading.Event()

    def notify(event) -> None:
        answered.append(event)
        if isinstance(event, Idle):
            done.set()

    live = Live(notify)
    live._files.put(canonical(RECIPE).key, measured().data)
    live.ask(RECIPE, FileQuestion("safetensors", measured().run))
    assert live.wait(30) and done.wait(5)
    assert any(isinstance(event, Answered) and event.answer.final for event in answered)
    assert len(live._answers) == 0
    live.close()
