"""Points one after another in this process, which alone knows networks and data that live in its memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import ClassVar

from ...core.progress import Progress
from ...core.recipe import Recipe
from ..store import Store
from ..subject import subject_named
from .point import Event, Task, computed


class Here:
    """Computes in the thread that asks, when it asks for the next point."""

    elsewhere: ClassVar[bool] = False

    def compute(
        self, task: Task, recipes: Sequence[Recipe], store: Store, progress: Progress
    ) -> Generator[Event | None, None, None]:
        """As Crew says; raises Cancelled."""
        subject = subject_named(task.network, task.dataset)
        for recipe in recipes:
            yield Event(recipe.key)
            made = computed(task, recipe, subject, Progress(cancelled=progress.cancelled))
            if made.run is not None:
                store.put(made.run, task.fingerprint)
            yield Event(recipe.key, 1.0, settled=True, failure=made.failure)
