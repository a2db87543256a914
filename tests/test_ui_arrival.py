"""What changed while a page was being made is told once it is there, and only that."""

from __future__ import annotations

import ipywidgets as w
import pytest
import ui_fakes


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.arrival.begin(made.widget)
    yield made
    made.close()


@pytest.fixture
def sent(monkeypatch):
    told: list[tuple[w.Widget, set[str]]] = []
    monkeypatch.setattr(w.Widget, "send_state", lambda widget, key=None: told.append((widget, set(key))))
    return told


def arrives(app) -> None:
    app.arrival._handle_custom_msg({"kind": "here"}, [])


def test_what_changed_is_told_also_when_it_is_as_before(app, sent):
    doing = next(x for x in app.widget.children if isinstance(x, w.HTML))
    before = doing.value
    doing.value = "something else"
    doing.value = before
    doing.layout.display = "none"
    sent.clear()
    arrives(app)
    assert sent == [(doing, {"value"}), (doing.layout, {"display"})]


def test_a_widget_that_came_later_is_told_of_as_a_whole_and_a_closed_one_not_at_all(app, sent):
    later, gone = w.HTML("new"), app.widget.children[1]
    app.widget.children = (*(x for x in app.widget.children if x is not gone), later)
    gone.close()
    sent.clear()
    arrives(app)
    told = {widget.model_id: names for widget, names in sent}
    assert told[app.widget.model_id] == {"children"}
    assert told[later.model_id] == set(later.keys)
    assert {widget for widget, _ in sent} <= {app.widget, later, later.layout, later.style}


@pytest.mark.parametrize("content", [{"kind": "there"}, "here", None, [], {"kind": ["here"]}])
def test_nothing_else_is_an_arrival(app, sent, content):
    app.widget.children[0].layout.display = "none"
    sent.clear()
    app.arrival._handle_custom_msg(content, [])
    assert sent == []


def test_it_is_made_before_every_other_widget(monkeypatch):
    made: list[w.Widget] = []
    opened = w.Widget.open
    monkeypatch.setattr(w.Widget, "open", lambda widget: (made.append(widget), opened(widget))[1])
    app = ui_fakes.app()
    app.close()
    assert app.arrival in made[:2]  # its own layout may come first
