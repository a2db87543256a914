"""The live experience: a guess at once, then a growing sample, then the measurement; only the newest request counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..core.budget import parse_budget
from ..core.errors import Cancelled
from ..core.knob import knobs_of
from ..core.progress import Progress
from ..core.recipe import Recipe
from ..core.records import Estimate, Run, Sensitivity
from ..core.training import FAILED, STOPPED, Training
from ..measure.accuracy import anytime
from ..methods import method_named
from ..networks.artifact import estimate_model
from ..train.home import KeptTraining, Plan
from . import reports
from .allocate import allocate, allocate_within, measured
from .newest import Newest
from .pipeline import canonical
from .questions import SPLIT, Answer, Asked, Question
from .remembered import Remembered
from .run import Making, about, finish, make, written
from .search import TRIALS, Met, foresee, search
from .sensitivity import scan, scan_of
from .store import Store
from .subject import Subject, subject_named
from .sweep import POINTS, along
from .turns import turns_here
from .worker import Worker

SAMPLED = 512
"""Images of the largest sample: its interval is narrow enough, and every one of them is evaluated again on the file."""
_FILES = 64
_ANSWERS = 128
_ASK = "ask "
"""What the lanes of questions begin with."""


class Live:
    """What a page talks to. Requests return at once; `notify` hears of everything from the worker's thread.

    Recipes in events are canonical (every knob spelled out). Choosing happens on the validation split; `report`
    alone touches the held-out test split.
    """

    def __init__(self, notify: Callable[[reports.Event], None], store: Store | None = None) -> None:
        self._notify = notify
        self._store = store
        self._remembered = Remembered(store, self._forget)
        self._files: Newest[str, bytes] = Newest(_FILES)
        self._answers: Newest[tuple[str, str, Question], object] = Newest(_ANSWERS)
        self._scans: dict[tuple[str, str], Sensitivity] = {}
        self._latest: tuple[str, Making] | None = None
        self._course: KeptTraining | None = None
        self._worker = Worker(self, turns_here())

    @property
    def busy(self) -> bool:
        return self._worker.busy

    def working(self, doing: str, share: float | None) -> None:
        self._notify(reports.Working(doing, share))

    def idle(self, outcome: str) -> None:
        self._notify(reports.Idle(outcome))

    def failed(self, sentence: str, details: str) -> None:
        self._notify(reports.Failed(sentence, details))

    def show(self, recipe: Recipe) -> Estimate | None:
        """The slider's path. The guess is returned; Decided, Sampled and Measured follow from the worker."""
        recipe = canonical(recipe)
        self._worker.submit("show", lambda progress: self._show(recipe, progress), rank=0)
        return self._remembered.estimate(recipe)

    def fill(self, recipe: Recipe, step: int, knob: str, points: int = POINTS) -> None:
        """Measure the curve over one knob in the background; one Measured each. Learnt, at once, has the known ones."""
        recipe = canonical(recipe)
        values = knobs_of(method_named(recipe.steps[step].method))[knob].grid(points)
        curve = [canonical(point) for point in along(recipe, step, knob, values)]
        known = self._remembered.at_once(recipe.network, recipe.dataset)
        runs = [run for run in map(known.get, curve) if run is not None]
        if runs:
            self._notify(reports.Learnt(recipe.network, recipe.dataset, tuple(runs)))
        rest = [(i, point) for i, point in enumerate(curve) if known.get(point) is None]

        def job(progress: Progress) -> None:
            for i, point in rest:
                progress(f"measuring the curve, point {i + 1} of {len(curve)}", i / len(curve))
                self._measure(point, Progress(cancelled=progress.cancelled))

        if rest or self._worker.holds("fill"):
            self._worker.submit("fill", job, rank=2)

    def baseline(self, network: str, dataset: str) -> None:
        """Measure the dense network, which every curve is compared with; Measured, at once when it is known."""
        recipe = Recipe(network, dataset)

        def job(progress: Progress) -> None:
            self._measure(recipe, progress)

        self._worker.submit("baseline", job, rank=1)

    def sensitivity(self, recipe: Recipe, step: int) -> None:
        """Scan every layer with the method of one step; Sensed grows layer by layer."""
        recipe = canonical(recipe)

        def job(progress: Progress) -> None:
            self._scan(recipe, step, progress)

        self._worker.submit("sensitivity", job, rank=1)

    def allocate(self, recipe: Recipe, step: int, lost: float, together: bool = False) -> None:
        """Choose every layer's value of one step from its sensitivity, which is scanned first where it is not known.

        lost: the share of validation accuracy that each layer alone may lose, or all of them together. Allocated.
        """
        recipe = canonical(recipe)

        def job(progress: Progress) -> None:
            subject = self._subject(recipe, progress)
            found, rest = self._scan(recipe, step, progress.part(0.0, 0.5)), progress.part(0.5, 1.0, "trying values: ")
            if together:
                made = allocate_within(recipe, step, found, lost, subject, rest)
            else:
                made = measured(recipe, step, allocate(recipe.steps[step], found, lost), subject, rest)
            self._notify(reports.Allocated(recipe, step, made))

        self._worker.submit("allocate", job, rank=1)

    def search(self, recipe: Recipe, budget: str, trials: int = TRIALS) -> None:
        """Search settings within a budget in the background; Searched grows, and every trial is Measured too.

        The knobs that the steps name are held; without steps, steps are chosen too. WorkbenchError for a budget that
        cannot be read, at once; whatever else is wrong comes as Failed.
        """
        wanted = parse_budget(budget)

        def job(progress: Progress) -> None:
            def measure(one: Recipe, part: Progress) -> Met:
                return Met(*self._measure(one, part))

            subject = self._subject(recipe, progress)
            found = search(
                recipe, wanted, trials=trials, store=self._store, subject=subject, measure=measure, progress=progress
            )
            for made in found:
                self._notify(reports.Searched(recipe, made))

        self._worker.submit("search", job, rank=3)

    def propose(self, recipe: Recipe, budget: str) -> None:
        """The estimate that `search` begins with, and no trial; Searched comes once. Errors as for `search`."""
        wanted = parse_budget(budget)

        def job(progress: Progress) -> None:
            subject = self._subject(recipe, progress)
            made = foresee(recipe, wanted, store=self._store, subject=subject, progress=progress)
            self._notify(reports.Searched(recipe, made))

        self._worker.submit("propose", job, rank=2)

    def stop_search(self) -> None:
        """Stop the search and the estimate that it begins with; what was measured stays."""
        self._worker.cancel("search")
        self._worker.cancel("propose")

    def compare(self, runs: Sequence[Run], baseline: str = "") -> None:
        """Set runs of one network on the same images against each other; Compared, or nothing without any step.

        baseline: the name of a curve; the first one's where there is none of this name.
        """
        from .compare import compare, curve_name  # it needs scipy, which a page does without until somebody compares

        runs = [replace(run, recipe=canonical(run.recipe)) for run in runs]
        names = {curve_name(run.recipe) for run in runs if run.recipe.steps}

        def job(progress: Progress) -> None:
            progress("comparing what was measured")
            found = compare(runs, baseline=baseline if baseline in names else None)
            self._notify(reports.Compared(runs[0].recipe.network, found))

        if names:
            self._worker.submit("compare", job, rank=2)

    def ask(self, recipe: Recipe, question: Question) -> None:
        """Answer a question about the network that `recipe` makes; Answered grows, and comes at once if it is known."""
        recipe = canonical(recipe)

        def job(progress: Progress) -> None:
            subject = self._subject(recipe, progress)
            self._remembered.of(subject)  # other weights under the same name: what was made of the old ones goes
            key = "" if question.dense else recipe.key, subject.fingerprint, question
            if (value := self._answers.get(key)) is None:
                made = partial(self._made, recipe, subject)
                file, walk = partial(self.file_of, recipe), (lambda part: made(part).trail)
                asked = Asked(subject, recipe, lambda part: made(part).model, file, walk)
                for value in question.answers(asked, progress):
                    self._notify(reports.Answered(recipe, Answer(question, value, final=False)))
            assert value is not None
            if question.kept:
                self._answers.put(key, value)
            self._notify(reports.Answered(recipe, Answer(question, value, final=True)))

        self._worker.submit(f"{_ASK}{question.kind}", job, rank=question.rank)

    def report(self, recipe: Recipe) -> None:
        """Measure on the held-out test split; the number to report, never to choose by."""
        recipe = canonical(recipe)

        def job(progress: Progress) -> None:
            making = make(
                recipe, self._subject(recipe, progress), progress=self._followed(recipe, progress.part(0.0, 0.7))
            )
            result = finish(making, split="test", store=self._store, progress=progress.part(0.7, 1.0))
            self._files.put(recipe.key, result.data)
            self._notify(reports.Measured(recipe, result.run))

        self._worker.submit("report", job, rank=1)

    def train(self, plan: Plan, *, fresh: bool = False) -> None:
        """Train from scratch and keep the result at home; Trained grows, Kept comes last.

        Everything else that is asked for goes first, and then the training goes on from the step where it was. A
        stopped training with the same settings is gone on with unless `fresh`. WorkbenchError when the label is taken.
        """
        course = KeptTraining(plan, fresh=fresh)
        self._course = course
        self._worker.submit("train", lambda progress: self._train(course, progress), rank=4)

    def file_of(self, recipe: Recipe) -> bytes | None:
        """The artifact of a recipe that was measured in this session."""
        return self._files.get(canonical(recipe).key)

    def recall(self, network: str, dataset: str) -> None:
        """What is known about a network on these data: Recalled, once the data are read, which may take a download."""

        def job(progress: Progress) -> None:
            subject = subject_named(network, dataset, progress)
            runs = tuple(self.known(network, dataset))
            self._notify(reports.Recalled(network, dataset, runs, subject.dataset.remarks))

        self._worker.submit("recall", job, rank=0)

    def known(self, network: str, dataset: str) -> list[Run]:
        """Validation runs of this network and data in the store, oldest first."""
        subject = subject_named(network, dataset)
        self._remembered.of(subject)
        return [] if self._store is None else self._store.runs(network, dataset, SPLIT, subject.fingerprint)

    def cancel(self, *, training: bool = True) -> None:
        """Stop everything that runs or waits, but for a training from scratch where that is to go on."""
        self._worker.cancel(but=() if training else ("train",))
        if training:
            self.stop_training()

    def stop_training(self) -> None:
        """Stop the training from scratch, if there is one; the epochs that are done are kept for going on."""
        course, self._course = self._course, None
        self._worker.cancel("train")
        if course is not None:
            self._notify(reports.Trained(_over(course, STOPPED)))

    def wait(self, timeout: float | None = None) -> bool:
        """Block until everything asked for is done; for scripts and tests."""
        return self._worker.wait(timeout)

    def close(self) -> None:
        self._worker.close()

    def _train(self, course: KeptTraining, progress: Progress) -> None:
        if self._course is not course:
            return  # it came to its end, or another has taken its place, just as it was interrupted
        try:
            kept = course.run(replace(progress, tell=lambda training: self._told(course, training)))
        except Cancelled:
            raise  # stopped, or interrupted and about to go on
        except Exception as error:
            self._told(course, _over(course, FAILED, str(error)))
            self._course = None
            raise
        if self._course is course:
            self._course = None
        self._notify(reports.Kept(kept))

    def _told(self, course: KeptTraining, training: Training) -> None:
        if self._course is course:
            self._notify(reports.Trained(training))

    def _followed(self, recipe: Recipe, progress: Progress) -> Progress:
        """The same progress, telling the curve of what a step trains."""
        return replace(progress, tell=lambda training: self._notify(reports.Tuned(recipe, training)))

    def _show(self, recipe: Recipe, progress: Progress) -> None:
        subject = self._subject(recipe, progress)
        known = self._remembered.of(subject)
        if (run := known.get(recipe)) is not None:
            self._notify(reports.Decided(recipe, run.decisions, run.notes))
            self._notify(reports.Measured(recipe, run))
            if self.file_of(recipe) is None:
                self._make_again(run, subject, progress)
            return
        if estimate := known.estimate(recipe):
            self._notify(reports.Estimated(recipe, estimate))
        making = make(recipe, subject, progress=self._followed(recipe, progress.part(0.0, 0.6)))
        self._latest = recipe.key, making
        self._notify(reports.Decided(recipe, making.model.decisions, making.model.notes))
        self._sample(making, progress)
        self._finish(making, progress)

    def _make_again(self, run: Run, subject: Subject, progress: Progress) -> None:
        """The file of a run that was measured earlier, or by another page."""
        making = make(run.recipe, subject, progress=self._followed(run.recipe, progress.part(0.0, 0.6)))
        self._latest = run.recipe.key, making
        _, data = written(making)
        if len(data) == run.measurement.file_bytes:
            self._files.put(run.recipe.key, data)
        else:  # a training that rounded otherwise: the numbers on the page are to be those of the file
            self._finish(making, progress)

    def _sample(self, making: Making, progress: Progress) -> None:
        """Accuracy on growing parts of the split, up to half of it or SAMPLED; the whole is measured on the file.

        The first sample does not wait for the file's size to be worked out where there is a guess of it.
        """
        batch = making.subject.dataset.split(SPLIT)
        guess = self._remembered.of(making.subject).estimate(making.recipe)
        size = 0 if guess is None else round(guess.file_bytes)
        most = min(len(batch.labels) // 2, SAMPLED)
        for i, sample in enumerate(anytime(making.model.network, batch, split=SPLIT, most=most, progress=progress)):
            if i == 1 or not size:
                size = estimate_model(making.model, **about(making.recipe, making.subject))
            self._notify(reports.Sampled(making.recipe, sample, size))

    def _finish(self, making: Making, progress: Progress) -> Run:
        result = finish(making, split=SPLIT, store=self._store, progress=progress.part(0.7, 1.0))
        self._remembered.of(making.subject).add(result.run)
        self._files.put(making.recipe.key, result.data)
        self._notify(reports.Measured(making.recipe, result.run))
        return result.run

    def _measure(self, recipe: Recipe, progress: Progress) -> tuple[Run, bool]:
        """The run, which is told, and whether it was known."""
        recipe = canonical(recipe)
        subject = self._subject(recipe, progress)
        run = self._remembered.of(subject).get(recipe)
        if run is None:
            return self._finish(make(recipe, subject, progress=progress), progress), False
        self._notify(reports.Measured(recipe, run))
        return run, True

    def _scan(self, recipe: Recipe, step: int, progress: Progress) -> Sensitivity:
        """The finished scan; Sensed on the way."""
        subject = self._subject(recipe, progress)
        alone = recipe.with_steps(scan_of(recipe.steps[step]))
        key = alone.key, subject.fingerprint
        found = self._scans.get(key)
        if found is None and self._store is not None:
            found = self._store.get_sensitivity(alone, subject.fingerprint)
        if found is None:
            for found in scan(alone.steps[0], subject, seed=recipe.seed, progress=progress):
                self._notify(reports.Sensed(found))
            assert found is not None
            if self._store is not None:
                self._store.put_sensitivity(alone, found, subject.fingerprint)
        else:
            self._notify(reports.Sensed(found))
        self._scans[key] = found
        return found

    def _made(self, recipe: Recipe, subject: Subject, progress: Progress) -> Making:
        if self._latest is None or self._latest[0] != recipe.key:
            self._latest = recipe.key, make(recipe, subject, progress=progress)
        return self._latest[1]

    def _subject(self, recipe: Recipe, progress: Progress) -> Subject:
        return subject_named(recipe.network, recipe.dataset, progress)

    def _forget(self) -> None:
        self._files.clear()
        self._latest = None


def _over(course: KeptTraining, outcome: str, sentence: str = "") -> Training:
    return replace(course.training, outcome=outcome, running=(), seconds_left=None, sentence=sentence)
