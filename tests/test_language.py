"""The page in another language: the catalogue is complete and right, and nothing on the page stays English."""

from __future__ import annotations

import ast
import html
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import ui_fakes
from test_ui_app import inside, picker
from ui_fakes import made_up

import workbench
from workbench.core.advice import QUESTIONS, WAYS
from workbench.core.errors import WorkbenchError
from workbench.core.families import FAMILIES as ADVISED
from workbench.core.families import SURVEYS
from workbench.core.knob import knobs_of
from workbench.core.recipe import Recipe
from workbench.data import datasets
from workbench.explain.attribution import attributions
from workbench.methods import FAMILIES, methods
from workbench.methods.prune._criteria import CRITERIA
from workbench.networks import networks
from workbench.train.settings import TrainSettings
from workbench.ui import app as app_module
from workbench.ui.access import Access
from workbench.ui.chart import Chart
from workbench.ui.language import catalogue, letters, placeholders, say, speak, spoken
from workbench.ui.language_menu import Languages, asked, part_of_link, speak_as_asked
from workbench.ui.spoken import DRAWN, HTML, NAMES, SAID, Button, Spoken
from workbench.ui.widgets import Menu

ROOT = Path(workbench.__file__).parent
ZH = catalogue("zh")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PROSE = re.compile(r"[a-z]{3,} [a-z]{3,}")


@pytest.fixture(autouse=True)
def english():
    yield
    speak("en")


@pytest.fixture
def chinese():
    speak("zh")


def test_english_is_what_stands_in_the_code():
    assert spoken() == "en" and say("Copy link") == "Copy link"


def test_chinese(chinese):
    assert say("Copy link") == "复制链接"


def test_a_language_without_a_catalogue_is_one_sentence():
    with pytest.raises(
        WorkbenchError, match=r"^There is no language 'xx' here; there are en, zh, and English it is\.$"
    ):
        speak("xx")
    assert speak_as_asked("?lang=xx").startswith("There is no language 'xx'") and spoken() == "en"


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("", "en"),
        ("?lang=zh", "zh"),
        ("?s=abc&lang=zh", "zh"),
        ("lang=en&lang=zh", "zh"),
        ("&".join(["a=1"] * 99), "en"),
    ],
)
def test_the_address_says_which(query, language):
    assert asked(query) == language


def test_a_sentence_is_known_by_its_template(chinese):
    assert say("Knobs of Magnitude pruning") == "幅值剪枝 的设置项"
    assert say("<h2>Knobs of Magnitude pruning</h2>") == "<h2>幅值剪枝 的设置项</h2>"
    assert (
        say("Most of what is left is in fc1: 93 % of the bytes of all layers")
        == "剩余部分大多在 fc1：占所有层字节数的 93 %"
    )


def test_what_is_put_together_is_said_part_by_part(chinese):
    assert say("Truncated SVD (own values) + Fine-tuning") == "截断奇异值分解（单独的值） + 微调"
    assert say("within the budget; 0.8 points lost") == "在预算之内；损失 0.8 个百分点"


def test_a_sentence_that_was_broken_into_lines_is_put_together(chinese):
    assert not PROSE.search(
        say("decibels; further right is less error, 6 dB are one bit,<br>at 0 dB error is as strong as signal")
    )


@pytest.mark.parametrize("text", ["airplane", "my run no. 3", "/conv1:bits=5", "<b>own/Net</b>", "7", "", " "])
def test_what_is_nobodys_text_stays(chinese, text):
    assert say(text) == text


def test_marks_of_html_stay_marks(chinese):
    assert say("<p>It&#x27;s &lt;b&gt;</p>") == "<p>It&#x27;s &lt;b&gt;</p>"
    assert say("<p>Choose each layer&#x27;s value</p>") == "<p>为每层选值</p>"


def test_every_entry_is_chinese_with_the_same_placeholders():
    plain = {text: said for text, said in ZH.items() if PROSE.search(text)}
    assert [text for text, said in plain.items() if not CHINESE.search(said)] == []
    assert [text for text, said in ZH.items() if placeholders(text) != placeholders(said)] == []
    marks = re.compile(r"<[^<>]+>|%\{\{[^}]*\}\}")
    assert [text for text, said in ZH.items() if sorted(marks.findall(text)) != sorted(marks.findall(said))] == []


def test_a_sentence_made_from_a_template_is_read_by_that_template(chinese):
    """With numbers in place of its values; short templates that say the same are told apart by what stands in them."""
    full = [text for text in ZH if placeholders(text) and letters(text) >= 8]
    filled = [(text, {name: str(71 + i) for i, name in enumerate(sorted(placeholders(text)))}) for text in full]
    wrong = {
        text.format(**v): say(text.format(**v)) for text, v in filled if say(text.format(**v)) != ZH[text].format(**v)
    }
    assert len(full) > 300 and len(wrong) <= 2, wrong


def test_no_entry_stands_twice():
    ids = re.findall(r'^msgid "(.+)"$', (ROOT / "ui" / "languages" / "zh.po").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(ids) == len(set(ids)) == len(ZH)


def texts(path: Path) -> Iterator[str]:
    """Every string of a file as the catalogue spells it, with one sort of placeholder."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())
        elif isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
            yield " ".join("".join(parts).split())


def fixed(text: str) -> list[str]:
    """What stands around the placeholders of an entry."""
    plain = text.replace("{{", "\1").replace("}}", "\2")
    parts = re.sub(r"\{[^{}]*\}", "\0", plain).replace("\1", "{").replace("\2", "}").split("\0")
    return [
        p.strip()
        for part in parts
        for p in re.split(r"[();:,]|\. ", part)
        if letters(p.replace("{", "").replace("}", ""))
    ]


def test_every_entry_is_said_somewhere():
    """As a text, a template, or fixed parts that some text has: sentences are put together from several."""
    code = [text for path in ROOT.rglob("*.py") for text in texts(path)]
    known = set(code) | {text.lower() for text in code} | set(declared())
    everything = "\n".join(code)
    lost = [e for e in ZH if e.replace("{{", "{").replace("}}", "}") not in known]
    assert [e for e in lost if not all(part in everything for part in fixed(e))] == []


def declared() -> Iterator[str]:
    """Every text that a method, a dataset, a network or a way to explain declares about itself."""
    yield from FAMILIES.values()
    for owner in (*methods().values(), TrainSettings):
        yield getattr(owner, "title", "")
        yield " ".join((inspect.getdoc(owner) or "").split("\n\n")[0].split()) if owner is not TrainSettings else ""
        for name, knob in knobs_of(owner).items():
            yield from (name.replace("_", " "), knob.help, knob.unit, *knob.choices)
    yield from (criterion.title for criterion in CRITERIA.values())
    for each in attributions().values():
        yield from (each.title, each.help)
    for info in datasets().values():
        yield from (info.title, info.description)
    yield from (spec.title for spec in networks().values())
    for question in QUESTIONS:
        yield from (question.text, *question.answers.values())
    yield from (way.title for way in WAYS)
    yield from (family.title for family in ADVISED)
    yield from SURVEYS.values()


def test_everything_that_is_declared_is_said_in_chinese(chinese):
    assert [
        text for text in declared() if re.search(r"[a-z]{3}", text) and text not in ZH and PROSE.search(say(text))
    ] == []
    assert [text for text in declared() if text and text not in ZH and re.search(r"[a-z]{3,} ", say(text))] == []


def sent(widget: Spoken) -> Iterator[str]:
    """Every text that the browser gets of a widget."""
    state = widget.get_state()
    for name in (SAID | widget.said) & state.keys():
        yield from read(json.loads(state[name]) if name == "figure" and state[name] else state[name], name != "figure")


def read(value: object, is_read: bool = True) -> Iterator[str]:
    if isinstance(value, str) and is_read:
        yield from map(html.unescape, re.split(r"<[^<>]+>", value))
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in NAMES - (DRAWN if not is_read else set()) and name != "template":
                yield from read(part, is_read or name in DRAWN)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from read(part, is_read)


def english_left(app) -> set[str]:
    """Sentences and headings that stayed English: two plain words beside one another, out of no list of names."""
    names = re.compile(r"`[^`]*`|workbench app|“[^”]*”|\S*[.:=/@_]\S*|lenet5|digits")
    found = {text for widget in inside(app.widget, Spoken) for text in sent(widget)}
    return {text for text in found if PROSE.search(names.sub(" · ", text))}


ALLOWED = ("arXiv", "Given input size")
"""In what stays English: where a method was published, and what torch says."""


@pytest.mark.parametrize("method", ["prune.l1_filter", "quant.kmeans_share", "lowrank.tsvd", "kd.hinton"])
def test_nothing_on_the_page_stays_english(chinese, method):
    app = ui_fakes.app(answers=True)
    picker(app, "3. Method").pick(method)
    app.state.layer = "conv1"
    for view in (
        "bytes",
        "filters",
        "unit",
        "layers",
        "sensitivity",
        "costs",
        "inside",
        "budget",
        "advisor",
        "history",
    ):
        app.state.view = view
        left = {text for text in english_left(app) if not any(part in text for part in ALLOWED)}
        assert left == set(), view
    app.close()


def test_what_python_sees_stays_english(chinese):
    app = ui_fakes.app(answers=True)
    assert [b for b in inside(app.widget, Button) if b.description == "Undo"]
    assert any("Compression Workbench" in part.value for part in inside(app.widget, HTML))
    app.close()


def test_a_menu_is_read_in_chinese_and_answers_in_english(chinese):
    menu = Menu(options=("global", "per_layer"), description="scope")
    assert menu.get_state()["_options_labels"] == ("全局", "逐层") and menu.value == "global"
    menu.close()


def test_a_chart_and_its_table_are_said(chinese):
    chart = Chart("Bytes of each layer, before and after")
    import plotly.graph_objects as go

    chart.show(go.Figure().update_layout(title_text="Where the bytes went"), rows=[{"layer": "conv1", "bytes": "12"}])
    state = chart.get_state()
    assert json.loads(state["figure"])["layout"]["title"]["text"] == "字节去了哪里"
    assert state["rows"] == [{"层": "conv1", "字节": "12"}] and state["label"] == "每层压缩前后的字节数"
    assert chart.rows == [{"layer": "conv1", "bytes": "12"}]
    chart.close()


def test_the_names_of_controls_are_said_too(chinese):
    words = Access().get_state()["words"]
    assert words[".wb-side"] == "步骤与设置项" and words["dark"] == "深色"


def test_the_menu_offers_every_language_by_its_own_name(chinese):
    state = Languages().get_state()
    assert state["value"] == "zh" and state["label"] == "语言"
    assert state["languages"] == {"en": "English", "zh": "中文"}


def test_links_keep_the_language(chinese):
    from workbench.ui.widgets import Address

    app = ui_fakes.app(answers=True)
    app.state.seed = 3
    assert next(a.query for a in inside(app.widget, Address)).endswith("&lang=zh") and part_of_link() == "&lang=zh"
    speak("en")
    assert part_of_link() == ""
    app.close()


def test_a_page_that_waited_speaks_the_language_of_its_visitor(monkeypatch):
    made = []

    class Page:
        def __init__(self):
            self.language, self.closed, self.opened = spoken(), False, ""
            self.state = type("State", (), {"error": ""})()
            made.append(self)

        def open(self, query):
            self.opened = query
            return self

        def start(self):
            return self

        def close(self):
            self.closed = True

    monkeypatch.setattr(app_module, "App", Page)
    first = app_module._begun("")
    assert app_module._welcoming(first, "?s=abc") is first and not first.closed
    second = app_module._welcoming(first, "?s=abc&lang=zh")
    assert second is not first and first.closed and second.language == "zh" and second.opened == "?s=abc&lang=zh"


def test_runs_are_kept_in_english(chinese):
    run = made_up(Recipe("lenet5", "digits", ()))
    app = ui_fakes.app(answers=True, known=(run,))
    assert all(CHINESE.search(note) is None for kept in app.state.runs.values() for note in kept.notes)
    app.close()


def shown(path: Path) -> Iterator[str]:
    """Every text of a file that people may read, without marks, with 7 in place of every value."""
    tree = ast.parse(path.read_text())
    silent = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        if node not in silent and isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
        elif node not in silent and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "figures").glob("*.py")), *sorted((ROOT / "ui" / "panels").glob("*.py"))],
    ids=lambda p: p.stem,
)
def test_every_text_of_figures_and_panels_has_a_translation(chinese, path):
    places = re.compile(r"(top|middle|bottom) (left|center|right)|.*sans-serif.*")
    found = [part for text in shown(path) for part in re.split(r"<[^<>]+>", text) if PROSE.search(part)]
    found = [text for text in found if not places.fullmatch(text)]
    assert [text for text in found if PROSE.search(re.sub(r"`[^`]*`", "", say(text)))] == []
