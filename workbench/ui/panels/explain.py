"""What both networks look at in one image, of the data or one that the person brings: computed once asked for."""

from __future__ import annotations

import io

import ipywidgets as w
from PIL import Image

from ...data import picture
from ...experiment.questions.attribution import AttributionQuestion
from ...explain.attribution import attributions
from ...figures import attribution as figure
from ..chart import Chart
from ..engine import Engine
from ..following import Following
from ..guard import guard, watch, when_seen
from ..spoken import HTML, Button
from ..state import State
from ..upload import PictureButton
from ..widgets import Menu, Picker, WholeSlider
from . import checks

NAME = checks.NAME
ANSWER = "what the dense network answers"
_NOBODY = -1  # a menu takes None for nothing picked
_BRING = "PNG, JPEG, WebP or BMP, up to 5 MB; it stays in memory and is gone when the page is closed"


def panel(state: State, engine: Engine) -> w.VBox:
    """How to explain which image for which class, four pictures, and the numbers and checks beside them."""
    following = Following(state, engine, NAME, "attribution", "image", "picture", "target")
    chart = Chart("The image, what the dense and the compressed network look at, and the difference")
    how = Picker(label="How to explain")
    whom = Menu(description="class", tooltip="What for the picture speaks: the class that is explained")
    start = Button(description="Explain this image", tooltip="Ask both networks what speaks for the class")
    how.refuse = whom.refuse = state.refuse
    how.pick = guard(state, state.pick_attribution)

    def offer() -> None:
        ways, names = attributions(), state.choices.datasets[state.dataset].classes
        how.offer(state.choices.for_attributions(state.network), state.attribution, ways[state.attribution].help)
        options = ((ANSWER, _NOBODY), *((name, i) for i, name in enumerate(names)))
        if whom.options != options:
            whom.options = options
        whom.value = _NOBODY if state.target is None else state.target

    def show() -> None:
        pair = state.answer("attribution")
        if pair is None and "attribution" in following:
            chart.old = True
            return
        names, way = state.choices.datasets[state.dataset].classes, attributions().get(pair.method) if pair else None
        view = figure.view(pair, classes=names, method=way.title if way else "")
        chart.show(figure.figure(view), rows=figure.table(view))

    start.on_click(guard(state, lambda _button: following.start(lambda: question(state))))
    whom.observe(guard(state, lambda change: state.set({"target": _class(change["new"])})), "value")
    watch(state, offer, "network", "dataset", "attribution", "target")
    when_seen(state, NAME, show, "answers")
    choice = w.VBox([whom, w.Box([start]).add_class("wb-buttons")]).add_class("wb-knob")
    row = w.Box([how, _which(state), choice]).add_class("wb-row")
    return w.VBox([row, chart, checks.panel(state, engine, following)])


def _class(chosen: int) -> int | None:
    return None if chosen == _NOBODY else chosen


def question(state: State) -> AttributionQuestion:
    """The selected way to explain the selected image, or the picture that the person brought."""
    return AttributionQuestion(state.attribution, state.image if state.picture is None else state.picture, state.target)


def _which(state: State) -> w.VBox:
    """A number of the validation data, or a picture as the network sees it."""
    image = WholeSlider(description="validation image", tooltip="Its place in the validation data, from 0")
    seen = w.Image(format="png").add_class("wb-picture")
    said = HTML()
    bring = PictureButton(label="Use a picture of yours", help=_BRING)
    back = Button(description="Back to validation images", tooltip="Explain an image of the data again")
    image.refuse = bring.refuse = state.refuse
    bring.bring = guard(state, state.bring)

    def offer() -> None:
        data, yours = state.choices.datasets[state.dataset], state.picture is not None
        image.max = data.sizes["validation"] - 1
        image.value = state.image
        image.layout.display = "none" if yours else ""
        for part in (seen, said, back):
            part.layout.display = "" if yours else "none"
        if yours:
            seen.value = _png(state.picture, data.input_shape)
            said.value = f"Your picture as the network sees it: {'×'.join(map(str, data.input_shape))}"

    image.observe(guard(state, lambda change: state.set({"image": change["new"]})), "value")
    back.on_click(guard(state, lambda _button: state.take_picture_away()))
    watch(state, offer, "dataset", "image", "picture")
    parts = [image, w.HBox([seen, said]), w.Box([bring, back]).add_class("wb-buttons")]
    return w.VBox(parts).add_class("wb-knob")


def _png(content: bytes, shape: tuple[int, ...]) -> bytes:
    pixels = (255 * picture(content, shape)).round().byte().permute(1, 2, 0).numpy()
    image, made = Image.fromarray(pixels.squeeze(-1) if shape[0] == 1 else pixels), io.BytesIO()
    image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST).save(made, "PNG")
    return made.getvalue()
