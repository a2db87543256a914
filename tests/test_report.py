"""The report: one page that needs no network, tells what the file holds, and refuses in a sentence."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest

from workbench.cli import main
from workbench.core.errors import FileError, WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.experiment import opened as opening
from workbench.experiment.opened import UNKNOWN, opened
from workbench.experiment.run import run
from workbench.experiment.store import Store
from workbench.experiment.subject import subject_named
from workbench.report import page as html
from workbench.report.explained import explained
from workbench.report.page import Section, page

RECIPE = Recipe("lenet5_1998", "digits", (Step("prune.l1_filter", {"pruning_ratio": 0.4}),))


class Reader(HTMLParser):
    """What a page says, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.heads, self.fetched, self.said, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.open.append(tag)
        for name, value in attrs:
            outside = value and not value.startswith(("data:", "#"))
            if outside and (name == "src" or (name == "href" and tag in ("a", "link", "img"))):
                self.fetched.append(value)

    def handle_endtag(self, tag) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.said.append(data)
            if self.open[-1] == "h2":
                self.heads.append(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(run, path of the file)."""
    result = run(RECIPE, split="validation")
    path = tmp_path_factory.mktemp("report") / "net.wbz"
    path.write_bytes(result.data)
    return result.run, path


def test_a_report_tells_what_the_file_holds_and_fetches_nothing(made):
    measured, path = made
    text = explained(opened(path), image=7)
    read = Reader(text)
    said = " ".join(" ".join(read.said).split())
    assert read.fetched == []
    assert [head for head in read.heads if "image 7 of digits" in head]
    assert {
        "What it cost, and whom",
        "Did the criterion know?",
        "Why could it go? Three units",
        "Inside the layers",
    } <= set(read.heads)
    assert f"{path.stat().st_size:,} bytes" in said
    assert f"{100 * measured.measurement.accuracy.accuracy:.2f} %" in said
    assert f"--step '{RECIPE.steps[0].method}:" in said and "pruning_ratio=0.4" in said


def test_decisions_are_found_again_or_said_to_be_unknown(made, tmp_path, monkeypatch):
    measured, path = made
    assert opened(path).model.decisions == measured.decisions and opened(path).remark == ""
    monkeypatch.setattr(opening, "trains", lambda _step: True)
    found = opened(path)
    assert found.model.decisions == () and found.remark == UNKNOWN
    store = Store(tmp_path / "runs.sqlite")
    store.put(measured, subject_named(RECIPE.network, RECIPE.dataset).fingerprint)
    again = opened(path, store=store)
    assert again.model.decisions == measured.decisions and again.remark == ""


def test_an_image_that_is_not_there_and_a_file_that_is_none(made, tmp_path):
    with pytest.raises(WorkbenchError, match=r"The image must be an integer in \[0, 359\]; got 360\."):
        explained(opened(made[1]), image=360)
    (tmp_path / "no.wbz").write_text("nothing")
    with pytest.raises(FileError, match="no.wbz"):
        opened(tmp_path / "no.wbz")


def test_the_command_tells_the_costs(made, tmp_path, capsys):
    assert main(["explain", str(made[1]), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    costs = found["costs"]
    lost = sum(flip["dense"] == flip["label"] for flip in costs["flips"])
    gained = sum(flip["compressed"] == flip["label"] for flip in costs["flips"])
    assert costs["n"] == 360 and costs["change"] == pytest.approx((gained - lost) / 360) and found["report"] is None
    assert main(["explain", str(made[1]), "--image", "9999", "-o", str(tmp_path / "r.html")]) == 2
    assert "The image must be" in capsys.readouterr().err and not (tmp_path / "r.html").exists()
    assert main(["explain", str(made[1])]) == 0
    said = capsys.readouterr().out
    assert f"{len(costs['flips'])} answers changed" in said and "<br>" not in said


def test_the_words_of_a_page_are_escaped():
    text = page(
        "a < b", [html.words("1 < 2 & 3")], [Section("What <i>?", (html.table(("x<y",), [("<b>",), (1234,)]),))]
    )
    assert "a &lt; b" in text and "1 &lt; 2 &amp; 3" in text and "<i>?" not in text and "<b>" not in text
    assert 'id="what-i"' in text and 'href="#what-i"' in text and '<td class="number">1,234</td>' in text


def test_a_chart_has_its_title_as_words():
    figure = go.Figure(
        go.Scatter(x=[1], y=[2]), {"title": {"text": "T", "subtitle": {"text": "a<br>b"}}, "height": 400}
    )
    drawn = html.chart(figure, 'says "so"')
    assert "<strong>T</strong><br>a<br>b</figcaption>" in drawn and 'aria-label="says &quot;so&quot;"' in drawn
    assert figure.layout.title.text == "T" and figure.layout.height == 400
    nothing = go.Figure(layout={"annotations": [{"text": "Measure it first."}], "height": 300})
    assert html.chart(nothing, "") == "<p>Measure it first.</p>"
