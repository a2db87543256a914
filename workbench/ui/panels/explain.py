"""What both networks look at in one image: computed when asked for."""

from __future__ import annotations

import ipywidgets as w

from ...explain.attribution import attributions
from ...figures import attribution as figure
from ..chart import Chart
from ..engine import Engine
from ..guard import guard, watch, when_seen
from ..state import State
from ..widgets import Picker, WholeSlider

NAME = "explain"


def panel(state: State, engine: Engine) -> w.VBox:
    """How to explain, which image, and four pictures."""
    chart = Chart("The image, what the dense and the compressed network look at, and the difference")
    how = Picker(label="How to explain")
    image = WholeSlider(description="validation image", tooltip="Its place in the validation data, from 0")
    start = w.Button(description="Explain this image", tooltip="Ask both networks what speaks for their answer")
    how.refuse, how.pick = state.refuse, guard(state, state.pick_attribution)
    image.refuse = state.refuse

    def offer() -> None:
        ways = attributions()
        how.offer(state.choices.for_attributions(state.network), state.attribution, ways[state.attribution].help)
        image.max = state.choices.datasets[state.dataset].sizes["validation"] - 1
        image.value = state.image

    def show() -> None:
        pair = state.pair
        names, way = state.choices.datasets[state.dataset].classes, attributions().get(pair.method) if pair else None
        chart.show(figure.figure(figure.view(pair, classes=names, method=way.title if way else "")))

    image.observe(guard(state, lambda change: state.set({"image": change["new"]})), "value")
    start.on_click(guard(state, lambda _button: engine.attribution()))
    watch(state, offer, "network", "dataset", "attribution", "image")
    when_seen(state, NAME, show, "pair")
    row = w.Box([how, w.VBox([image]).add_class("wb-knob"), w.Box([start]).add_class("wb-buttons")]).add_class("wb-row")
    return w.VBox([row, chart])
