"""What the person has chosen and what is known about it: no widget is imported here."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import traitlets as t

from ..core.advice import Needs
from ..core.errors import WorkbenchError
from ..core.knob import Value
from ..core.label import Label
from ..core.recipe import Recipe, Step, covers
from ..core.records import Allocation, Run
from ..data import picture
from ..experiment.pipeline import canonical
from ..methods import checked
from .choices import Choices, default_step
from .editing import EDITS, Line
from .locks import why_locked

CHOICE = ("dataset", "network", "steps", "off", "seed")
RESULTS = ("estimate", "sample", "run", "report", "tuning")
QUICK_MACS = 50_000_000
"""Multiply-adds of an image, up to which a slider is answered within seconds."""


class State(t.HasTraits):
    """Everything that the views share.

    Chosen: dataset, network, steps, which of them are off, seed; `active` is the step whose knobs are shown. From them
    follow `recipe`, None while the choice is invalid, and `problem`, the sentence that says why. A layer's own value
    stays in `steps` while the step's knob stands at the same one; the recipe leaves it out then.
    Known about the recipe: estimate, sample (Accuracy, bytes), run, report (on test data), decisions, notes, and what
    was asked about it: `answers`, by the kind of question.
    `runs` are measured on validation data, by recipe key, for this network and dataset.
    """

    choices = t.Any()

    dataset = t.Unicode()
    network = t.Unicode()
    steps = t.Tuple()
    off = t.Tuple(help="places of the steps that are switched off: they stay in the line and are not carried out")
    seed = t.Int(0)
    active = t.Int(0)

    recipe = t.Any(None, allow_none=True)
    problem = t.Unicode()

    layer = t.Unicode(help="selected layer, or empty")
    unit = t.Any(None, allow_none=True, help="selected filter or neuron of the layer")
    image = t.Int(0, help="index of the validation image that is explained")
    picture = t.Any(None, allow_none=True, help="the file of a picture that is explained instead, bytes")
    target = t.Any(None, allow_none=True, help="index of the class that is explained; None: the dense network's answer")
    attribution = t.Unicode(help="how it is explained")
    view = t.Unicode(help="which of the lower views is on the page")

    estimate = t.Any(None, allow_none=True)
    sample = t.Any(None, allow_none=True)
    run = t.Any(None, allow_none=True)
    report = t.Any(None, allow_none=True)
    asked = t.Dict(help="kind -> the newest question of it")
    answers = t.Dict(help="kind -> Answer to the newest question of it")
    decisions = t.Tuple()
    notes = t.Tuple()
    remarks = t.Tuple(help="sentences about the data, once they are read")
    runs = t.Dict()
    sensitivity = t.Any(None, allow_none=True)
    tolerated = t.Float(1.0, help="points of accuracy that may be lost when values are chosen from the sensitivity")
    together = t.Bool(False, help="whether all layers together may lose them, or each layer alone")
    allocation = t.Any(None, allow_none=True, help="(recipe that it made, Allocation)")
    pinned = t.Unicode(help="recipe key of the run that what is chosen is held against, or empty")
    picked = t.Unicode(help="recipe key of the run that is looked at in the history, or empty")
    labels = t.Dict(help="recipe key -> Label: the names of runs, and which were pinned")
    locked = t.Tuple(help="names of controls that are off in this lesson")
    hidden = t.Tuple(help="names of controls that are not on the page in this lesson")
    reason = t.Unicode(help="why they are off, in the teacher's words")
    budget = t.Unicode(help="what the settings may cost, as `bytes<=30000,accuracy_drop<=0.01`, or empty")
    my_steps = t.Bool(False, help="whether settings of the chosen steps are searched, or steps too")
    trials = t.Int(20, help="of a search")
    needs = t.Any(Needs(), help="what the person answered to the advisor's questions")
    search = t.Any(None, allow_none=True, help="the newest Search within the budget, as far as it is")
    baseline = t.Unicode(help="name of the curve that others are compared with, or empty for the first")
    comparison = t.Any(None, allow_none=True)

    plan = t.Any(None, allow_none=True, help="what the person would train from scratch")
    afresh = t.Bool(False, help="begin anew where a stopped training could be gone on with")
    training = t.Any(None, allow_none=True, help="the training from scratch, as far as it is")
    tuning = t.Any(None, allow_none=True, help="the training that a step of the recipe asked for")

    busy = t.Bool(False)
    doing = t.Unicode()
    share = t.Any(None, allow_none=True)
    stopped = t.Bool(False, help="the last work ended before it was done: cancelled, or failed")
    error = t.Unicode(help="the last thing that went wrong, until it is dismissed")
    details = t.Unicode(help="its traceback, for a report; never shown to visitors")

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.lock = threading.RLock()
        self._pair = ("", "")
        super().__init__()

    @t.validate("error", "doing")
    def _for_who_reads(self, proposed: dict[str, Any]) -> str:
        said: str = self.choices.told(proposed["value"])
        return said

    @property
    def step(self) -> Step:
        """The active step."""
        step: Step = self.steps[self.active]
        return step

    @property
    def line(self) -> Line:
        """The steps with what is on and what is active."""
        return Line(self.steps, self.off, self.active)

    @property
    def place(self) -> int:
        """Where the active step is among those of the recipe; WorkbenchError while it is switched off."""
        if self.active in self.off:
            raise WorkbenchError("The highlighted step is switched off; switch it on first.")
        return sum(i not in self.off for i in range(self.active))

    @property
    def dense(self) -> Run | None:
        """The run without any step, once it is known."""
        return next((run for run in self.runs.values() if not run.recipe.steps), None)

    @property
    def reference(self) -> Run | None:
        """The pinned run, where it is known here."""
        found: Run | None = self.runs.get(self.pinned)
        return found

    def label(self, key: str) -> Label:
        """What is written on the run of a recipe."""
        found: Label = self.labels.get(key, Label())
        return found

    @property
    def chosen(self) -> Allocation | None:
        """What was chosen from the sensitivity, while nothing has been changed since."""
        made, found = self.allocation or (None, None)
        return found if made is not None and made == self.recipe else None

    def choose(self, recipe: Recipe, active: int = 0, off: tuple[int, ...] = ()) -> None:
        """Set everything that a recipe says, with one notification for each trait. off: places switched off.

        WorkbenchError when that changes what is locked in this lesson.
        """
        self._heed(recipe)
        with self.hold_trait_notifications():
            self.dataset, self.network, self.seed = recipe.dataset, recipe.network, recipe.seed
            self.steps, self.off = recipe.steps, off
            self.active = min(max(active, 0), max(len(recipe.steps) - 1, 0))

    def pick_dataset(self, dataset: str) -> None:
        """Another dataset, with the first network that fits it, and answers quickly, when the present one does not."""
        fits = [n for n in self.choices.networks if not self.choices.why_not_network(n, dataset)]
        quick = [n for n in fits if self.choices.networks[n].macs <= QUICK_MACS]
        network = self.network if self.network in fits or not fits else [*quick, *fits][0]
        self.choose(Recipe(network, dataset, self.steps, self.seed), self.active, self.off)

    def pick_network(self, network: str) -> None:
        """Another network; the steps stay."""
        self._heed(Recipe(network, self.dataset, self.steps))
        self.network = network

    def pick_method(self, method: str) -> None:
        """Another method for the active step, its knobs at their defaults."""
        self._replace(default_step(method))

    def follow(self, run: Run) -> None:
        """Take over the steps of a run, for instance one that was clicked."""
        same = [step.method for step in run.recipe.steps] == [step.method for step in self.line.on]
        on = iter(run.recipe.steps)
        steps = tuple(x if i in self.off else next(on) for i, x in enumerate(self.steps)) if same else run.recipe.steps
        active, off = (self.active, self.off) if same else (len(steps) - 1, ())
        self.choose(run.recipe.with_steps(*steps), active, off)

    def select_layer(self, layer: str) -> None:
        """One layer in every view, or none for ""; the parts of a layer stand for the whole."""
        names = self.choices.layers(self.network)
        whole = next((name for name in names if covers(name, layer)), layer)
        if layer and whole not in names:
            raise WorkbenchError(f"{self.network} has no layer {layer[:40]!r}; it has {', '.join(names)}.")
        self.set({"layer": whole, "unit": None})

    def pick_attribution(self, method: str) -> None:
        """Another way to explain; what was explained in the old way goes."""
        self.attribution = method
        self.forget("attribution")

    def bring(self, content: bytes) -> None:
        """Explain this picture from now on; FileError says what is wrong with it, and nothing has changed then."""
        picture(content, self.choices.datasets[self.dataset].input_shape)
        self.picture = content
        self.forget("attribution")

    def take_picture_away(self) -> None:
        """Explain images of the data again."""
        self.picture = None
        self.forget("attribution")

    def answer(self, kind: str) -> Any:
        """What is known so far to answer the newest question of a kind, or None."""
        found = self.answers.get(kind)
        return None if found is None else found.value

    def forget(self, *kinds: str) -> None:
        """Drop these questions and their answers."""
        self.asked = {kind: question for kind, question in self.asked.items() if kind not in kinds}
        self.answers = {kind: answer for kind, answer in self.answers.items() if kind not in kinds}

    def turn(self, knob: str, value: Any) -> None:
        """One knob of the active step; KnobError when the value is not allowed, and nothing has changed then."""
        step = self.step
        self._replace(replace(step, knobs={**step.knobs, knob: value}))

    def turn_at(self, layer: str, knob: str, value: Value) -> None:
        """The same for one layer, which has a value of its own from then on."""
        if why := self.choices.why_not_own(self.network, self.step, layer):
            raise WorkbenchError(f"{why[0].upper()}{why[1:]}.")
        own = self.step.per_layer
        self._replace(replace(self.step, per_layer={**own, layer: {**own.get(layer, {}), knob: value}}))

    def clear_at(self, layer: str, knob: str) -> None:
        """The layer goes with the step's knob again."""
        own = {name: dict(knobs) for name, knobs in self.step.per_layer.items()}
        own.get(layer, {}).pop(knob, None)
        self._replace(replace(self.step, per_layer={name: knobs for name, knobs in own.items() if knobs}))

    def clear_own(self) -> None:
        """No layer of the active step has values of its own any more."""
        self._replace(replace(self.step, per_layer={}))

    def take(self, recipe: Recipe, index: int, made: Allocation) -> None:
        """Every layer's value as it was chosen for step `index` of `recipe`, which has to be the one chosen now."""
        if recipe != self.recipe:
            return
        index = [i for i in range(len(self.steps)) if i not in self.off][index]
        step, kind = self.steps[index], type(made.step.knobs[made.knob])
        own = {layer: dict(knobs) for layer, knobs in step.per_layer.items()}
        for choice in made.choices:
            if choice.value is not None and (step.layers is None or choice.layer in step.layers):
                own.setdefault(choice.layer, {})[made.knob] = kind(choice.value)
        steps = (*self.steps[:index], _spelled(replace(step, per_layer=own)), *self.steps[index + 1 :])
        if why := self._why_locked(recipe.with_steps(*steps)):
            self.refuse(why)
            return
        self.allocation = canonical(recipe.with_steps(*self.line._replace(steps=steps).on)), made
        self.steps = steps

    def recover(self, method: str) -> None:
        """Let a recovery follow as the last step; WorkbenchError when it makes no sense there."""
        if why := self.choices.why_not_recovered(Recipe(self.network, self.dataset, self.line.on), method):
            raise WorkbenchError(f"{method} cannot follow: {why}.")
        self._set_line(self._with(default_step(method)))

    def add_step(self) -> None:
        """A step after the last: the first method that may come there."""
        for method in self.choices.methods:
            line = self._with(default_step(method))
            if self._problem_of(line.on) is None:
                return self._set_line(line)
        raise WorkbenchError("No method can come after these steps.")

    def edit(self, name: str) -> None:
        """Change the line of steps (editing.py says how); WorkbenchError when that makes no sense."""
        if why := self.why_not(name):
            raise WorkbenchError(why)
        self._set_line(EDITS[name](self.line))

    def why_not(self, name: str) -> str:
        """Why this edit of the steps makes no sense just now, as a sentence, or ""."""
        try:
            made = EDITS[name](self.line)
        except WorkbenchError as error:
            return str(error)
        problem = self._problem_of(made.on)
        return problem if problem and problem != self.problem else ""

    def _with(self, step: Step) -> Line:
        return Line((*self.steps, step), self.off, len(self.steps))

    def _replace(self, step: Step) -> None:
        steps = (*self.steps[: self.active], _spelled(step), *self.steps[self.active + 1 :])
        self._heed(Recipe(self.network, self.dataset, steps))
        self.steps = steps

    def _heed(self, wanted: Recipe) -> None:
        """WorkbenchError when `wanted` changes what is locked in this lesson."""
        if why := self._why_locked(wanted):
            raise WorkbenchError(why)

    def _why_locked(self, wanted: Recipe) -> str:
        return why_locked(self.locked, self.reason, Recipe(self.network, self.dataset, self.steps), wanted)

    def _set_line(self, line: Line) -> None:
        self._heed(Recipe(self.network, self.dataset, line.steps))
        with self.hold_trait_notifications():
            self.steps, self.off, self.active = line

    def _problem_of(self, steps: tuple[Step, ...]) -> str | None:
        try:
            self.choices.check(Recipe(self.network, self.dataset, steps, self.seed))
        except WorkbenchError as error:
            return str(error)
        return None

    @t.observe(*CHOICE)
    def _follow_choice(self, _change: object) -> None:
        problem, on = self._problem_of(self.line.on), self.line.on
        recipe = None if problem else canonical(Recipe(self.network, self.dataset, on, self.seed))
        with self.hold_trait_notifications():
            self.problem = problem or ""
            self._forget_what_was_known_elsewhere()
            if recipe != self.recipe:
                self.recipe, self.stopped = recipe, False
                self.set(dict.fromkeys(RESULTS))
                self.forget(*(kind for kind, question in self.asked.items() if not question.dense))
                self._recall()

    def learn(self, runs: Iterable[Run]) -> None:
        """Runs of this network on this dataset that were measured before."""
        with self.hold_trait_notifications():
            self.runs = {**{run.recipe.key: run for run in runs}, **self.runs}
            self._recall()

    def _recall(self) -> None:
        """What was measured before is there at once."""
        run = self.runs.get(self.recipe.key) if self.recipe is not None else None
        if run is not None:
            self.run, self.decisions, self.notes = run, run.decisions, run.notes

    def _forget_what_was_known_elsewhere(self) -> None:
        if self._pair != (self.network, self.dataset):
            self._pair = (self.network, self.dataset)
            self.set({"runs": {}, "sensitivity": None, "layer": "", "unit": None, "decisions": (), "notes": ()})
            way = self.choices.attribution_for(self.network, self.attribution)
            self.set({"remarks": (), "image": 0, "target": None, "attribution": way})
            self.set({"allocation": None, "comparison": None, "baseline": "", "pinned": "", "picked": "", "labels": {}})
            self.search = None
            self.forget(*self.asked)

    def refuse(self, sentence: str) -> None:
        """Say what was wrong with a request that was not carried out."""
        self.error, self.details = sentence, ""

    def set(self, traits: dict[str, Any]) -> None:
        """Several traits by name."""
        for name, value in traits.items():
            setattr(self, name, value)


def _spelled(step: Step) -> Step:
    """The step checked, with every value of a layer's own, also where it is the step's just now."""
    plain = checked(step)
    own = {layer: {k: type(plain.knobs[k])(v) for k, v in knobs.items()} for layer, knobs in step.per_layer.items()}
    return replace(plain, per_layer=dict(sorted(own.items())))
