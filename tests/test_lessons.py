"""What lessons are made of: a guess before its answer, a checker that is not fooled, formulas that compute."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from lesson_solutions import FUNCTIONS, STEPS

from workbench.core.errors import WorkbenchError
from workbench.experiment.contest import Board
from workbench.lessons import Bench, Formula, Seen, check, explore, formula, glossary, predict
from workbench.lessons.board import Contest
from workbench.lessons.checker import Verdict, check_function
from workbench.lessons.formula import FUNCTIONS as MATHEMATICS
from workbench.lessons.formula import number_text
from workbench.lessons.glossary import TERMS, looked_up
from workbench.lessons.goals import GOALS
from workbench.lessons.tasks import TASKS

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.fixture(autouse=True)
def _nobody_has_tried(monkeypatch):
    from collections import Counter

    monkeypatch.setattr("workbench.lessons.checker._failed", Counter())


# Formulas


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("S = N*b + 32*2**b", {"N": 430500, "b": 4}),
        ("P = C_o * (C_i * K**2 + 1)", {"C_o": 50, "C_i": 20, "K": 5}),
        ("t = -a - (b - c)", {"a": 1.5, "b": 2, "c": -3}),
        ("d = m / (2**(b - 1) - 1)", {"m": 0.3, "b": 8}),
        ("p = exp(z / T) / Z", {"z": 3.2, "T": 4, "Z": 9.1}),
        ("q = sqrt(a) + log2(b) + ceil(c) - floor(c)", {"a": 2, "b": 10, "c": 2.4}),
    ],
)
def test_a_formula_computes_what_python_computes(text, values):
    expected = eval(text.split("=", 1)[1], {**MATHEMATICS}, values)
    assert Formula(text, values).result == pytest.approx(expected, rel=1e-15)


def test_a_formula_shows_the_learners_numbers_and_the_result():
    html = Formula("S = N*b", {"N": 430500, "b": 4}, {"N": "weights <b>"}, "bits").html()
    assert "<mn>430,500</mn><mo>·</mo><mn>4</mn>" in html and "<mn>1,722,000</mn>" in html and "bits" in html
    assert "weights &lt;b&gt;" in html and html.count("<math") == html.count("</math>") == 3


def test_brackets_stand_where_they_are_needed():
    html = Formula("P = a * (b + c) - (d - e)", dict.fromkeys("abcde", 2)).html()
    symbols = html.split("wb-formula-line")[1]
    assert symbols.count("<mo>(</mo>") == symbols.count("<mo>)</mo>") == 2
    assert "<mo>(</mo><mn>−2</mn>" in Formula("a = b * c", {"b": 1, "c": -2}).html()


@pytest.mark.parametrize(
    "text", ["N*b", "S = N*", "S = open('x')", "S = N.real", "S = missing", "S = [1]", "S = 'a'", "S = N if N else 1"]
)
def test_a_formula_is_nothing_but_a_formula(text):
    with pytest.raises(WorkbenchError, match="A formula"):
        Formula(text, {"N": 1, "b": 2}).result  # noqa: B018


@pytest.mark.parametrize(
    ("value", "text"), [(431080, "431,080"), (0.03125, "0.03125"), (1234.56, "1,234.6"), (-2.0, "-2")]
)
def test_numbers_are_short(value, text):
    assert number_text(value) == text


def test_formula_is_a_widget():
    assert "wb-formula" in formula("a = b", b=2).value


# Predictions


def test_nothing_is_measured_before_the_guess_is_committed():
    measured = []
    asked = predict("Which?", choices=["a", "b"], answer=lambda: measured.append(1) or "b", because="So it is.")
    asked.button.click()
    assert not asked.committed and "Pick one first" in asked.told.value and measured == []
    asked.guess.value = "a"
    assert measured == []
    asked.button.click()
    assert asked.committed and "You said a" in asked.told.value and "<b>b</b>" in asked.told.value
    asked.button.click()
    asked.commit()
    assert measured == [1]


@pytest.mark.parametrize(("guess", "word"), [(70, "close"), (55, "not far off"), (10, "a surprise")])
def test_a_number_is_compared(guess, word):
    asked = predict(
        "How many?", between=(0, 100), unit="%", answer=lambda: 71.25, because=lambda found: f"{found:.0f}!"
    )
    asked.guess.value = guess
    asked.commit()
    assert f"{guess} %" in asked.told.value and "71.25 %" in asked.told.value and word in asked.told.value
    assert "71!" in asked.told.value


def test_what_goes_wrong_is_a_sentence_and_markup_stays_text():
    def fails():
        raise WorkbenchError("There is no <b>.")

    asked = predict("<i>Why</i>?", between=(0, 1), answer=fails)
    asked.button.click()
    assert "There is no &lt;b&gt;." in asked.told.value and "&lt;i&gt;Why" in asked.children[0].value
    with pytest.raises(WorkbenchError, match="choices, or lies between"):
        predict("?", answer=fails)


# Explorations


def test_a_slider_moves_picture_and_formula():
    seen = explore(lambda b: Seen(None, Formula("L = 2**b", {"b": b}), f"now {b}"), "Bits", 1, 8, 4)
    assert "<mn>16</mn>" in seen.beside.value and "now 4" in seen.beside.value
    seen.slider.value = 8
    assert "<mn>256</mn>" in seen.beside.value


def test_a_slider_that_fails_says_so_and_goes_on():
    seen = explore(lambda x: Seen(sentence=f"{1 / x:.2f}"), "x", 0, 4, 2)
    seen.slider.value = 0
    assert "Something went wrong inside the lesson (ZeroDivisionError)" in seen.beside.value
    seen.slider.value = 4
    assert "0.25" in seen.beside.value


def test_a_log_slider_goes_from_end_to_end():
    seen = explore(lambda x: Seen(sentence=f"{x:.3g}"), "T", 0.25, 40.0, 1.0, log=True)
    assert (seen.slider.base**seen.slider.min, seen.slider.base**seen.slider.max) == pytest.approx((0.25, 40))
    with pytest.raises(WorkbenchError, match="starts at 9"):
        explore(lambda x: Seen(), "x", 0, 4, 9)


# The checker


@pytest.mark.parametrize("name", TASKS)
def test_a_right_answer_found_another_way_passes(name):
    assert check(name, FUNCTIONS[name]).passed
    assert check(name, FUNCTIONS[name]).passed, "and again"


@pytest.mark.parametrize("name", TASKS)
def test_a_number_that_was_read_off_does_not(name):
    task = TASKS[name]
    constant = task.oracle(*task.draw(np.random.default_rng((0, 0))))
    assert not check(name, lambda *_: constant).passed


@pytest.mark.parametrize("name", TASKS)
def test_answers_seen_in_one_check_do_not_pass_the_next(name):
    """Somebody writes down what the checker asks: other inputs are drawn after each failure."""
    task, seen = TASKS[name], []
    check(name, lambda *given: seen.append(given))
    assert seen
    table = {repr(given): task.oracle(*given) for given in seen}
    check(name, lambda *_: 1.5)
    assert not check(name, lambda *given: table.get(repr(given), -1.0)).passed


SLIPS = [(task, slip) for task in TASKS.values() for slip in task.slips]


@pytest.mark.parametrize(("task", "slip"), SLIPS, ids=lambda x: getattr(x, "name", ""))
def test_a_usual_mistake_is_told_apart(task, slip):
    verdict = check_function(task, slip.function)
    assert not verdict.passed and slip.sentence[:20].replace("'", "&#x27;") in verdict.text, verdict.text


@pytest.mark.parametrize("name", TASKS)
def test_the_three_dots_are_no_answer_and_use_up_no_hint(name):
    for _ in range(3):
        verdict = check(name, lambda *_: ...)
        assert not verdict.passed and "three dots" in verdict.text and "Try:" not in verdict.text


def test_hints_come_one_by_one_and_the_answer_never_in_the_first():
    said = [hint_in(check("codebook_bits", lambda n, b: n)) for _ in range(4)]
    hints = [hint.replace("'", "&#x27;") for hint in TASKS["codebook_bits"].hints]
    assert said == [*hints, hints[-1]]
    assert "right" not in said[0] and "2**bits" not in said[0]


def test_the_verdict_does_not_tell_the_right_value():
    task = TASKS["parameters"]
    wanted = {str(task.oracle(*task.draw(np.random.default_rng((0, i))))) for i in range(12)}
    assert not any(re.search(rf"\b{value}\b", check("parameters", lambda o, i, k: 7).text) for value in wanted)


def test_an_answer_that_stops_is_told_where():
    verdict = check("parameters", lambda o, i, k: o / 0)
    assert not verdict.passed and "ZeroDivisionError" in verdict.text and "0 of 12" not in verdict.text
    assert not check("parameters", 25050).passed


def test_an_answer_cannot_change_what_it_is_given():
    def greedy(counts):
        counts[:] = 1
        return FUNCTIONS["entropy"](counts)

    assert not check("entropy", greedy).passed
    assert check("entropy", FUNCTIONS["entropy"]).passed


def test_markup_in_an_answer_stays_text():
    assert "<script>" not in check("parameters", lambda o, i, k: "<script>").text


def hint_in(verdict: Verdict) -> str:
    return re.search(r"Try:</b> (.*?)</li>", verdict.text)[1]


@pytest.fixture(scope="module")
def bench():
    return Bench("lenet5", "digits")


def test_steps_are_carried_out_and_measured(bench):
    assert check("pruned", STEPS["pruned"], bench).passed
    missed = check("pruned", ["prune.magnitude_iter:pruning_ratio=0.2"], bench)
    assert not missed.passed and missed.text.count("✗") == 1 and missed.text.count("✓") == 2
    other = check("pruned", ["quant.kmeans_share:bits=4"], bench)
    assert not other.passed and "pruning alone" in other.text


def test_steps_that_do_not_run_are_told_why(bench):
    assert "There is no method" in check("pruned", ["prune.nothing"], bench).text
    for nothing in ([], [""], ...):
        assert "at least one step" in check("pruned", nothing if nothing is not ... else [], bench).text
    with pytest.raises(WorkbenchError, match="no exercise 'other'"):
        check("other", [], bench)


def test_every_goal_has_limits_and_hints():
    assert all(goal.limits and len(goal.hints) == 3 for goal in GOALS.values())
    assert all(len(task.hints) == 3 for task in TASKS.values())


# Bench


def test_the_bench_measures_and_changes_nothing(bench):
    before = {name: bench.weights(name) for name in bench.layers}
    assert bench.accuracy_with(before) == pytest.approx(bench.accuracy)
    assert bench.accuracy_with({"fc2": np.zeros_like(before["fc2"])}) < 30
    bench.weights("fc1")[:] = 0
    assert all(np.array_equal(before[name], bench.weights(name)) for name in before)
    assert bench.run("quant.kmeans_share:bits=4") is bench.run("quant.kmeans_share:bits=4")
    assert bench.run("quant.kmeans_share:bits=4").file_bytes == len(bench.run("quant.kmeans_share:bits=4").data)


# Glossary


def test_terms_have_chinese_words_and_a_sentence():
    for term in TERMS.values():
        assert re.search(r"[\u4e00-\u9fff]", term.chinese), term
        assert term.meaning[0].isupper() and term.meaning.endswith("."), term


def test_a_word_is_found_in_either_language():
    assert [t.english for t in looked_up("知识蒸馏")] == ["distillation"]
    assert "structured pruning" in [t.english for t in looked_up("PRUNING")]
    shown = glossary("pruning", "mask")
    field, table = shown.children[0].children[0], shown.children[1]
    assert "剪枝" in table.value and "codebook" not in table.value
    field.value = "码本"
    assert "codebook" in table.value
    field.value = "<b>"
    assert "no &lt;b&gt;" in table.value
    with pytest.raises(WorkbenchError, match="no 'prunning'"):
        glossary("prunning")


def test_every_term_is_used_in_a_lesson():
    text = "".join(path.read_text() for path in NOTEBOOKS.glob("?_*.ipynb"))
    unused = [word for word in TERMS if f'\\"{word}\\"' not in text]
    assert not unused


# The contest in a notebook


def test_the_contest_widget(tmp_path, bench):
    board = Board(tmp_path / "board.sqlite")
    shown = Contest(board, lambda: bench.run("quant.kmeans_share:bits=4"))
    assert "No file yet" in shown.table.value
    shown.hand_in.click()
    assert "A name has 1 to 24 letters" in shown.told.value and board.entries() == []
    shown.name.value = "O'Neil"
    shown.hand_in.click()
    assert "Place 1 of 1" in shown.told.value and "O&#x27;Neil" in shown.table.value
    board.submit("Ada", bench.run("quant.kmeans_share:bits=3").data)
    shown.refresh.click()
    assert shown.table.value.index("Ada") < shown.table.value.index("Neil")
    shown.hand_in.click()
    assert "An earlier file of this name" in shown.told.value


def test_lessons_read_no_answers_from_notebooks():
    """No oracle is written in a notebook: exercise cells hold three dots and nothing that solves them."""
    for path in NOTEBOOKS.glob("?_*.ipynb"):
        for match in re.finditer(r'"def (\w+)\(.*?\):\\n",\n\s+"    return \.\.\."', path.read_text()):
            assert match[1] in TASKS, (path, match[1])
