"""The door to every exercise: by its name, with what the learner made."""

from __future__ import annotations

from typing import Any

from ..core.errors import WorkbenchError
from .bench import Bench
from .checker import Verdict, check_function, check_steps
from .goals import GOALS
from .tasks import TASKS


def check(name: str, answer: Any, bench: Bench | None = None) -> Verdict:
    """Look at the answer to the exercise: a function, or with a bench a list of steps."""
    if name in TASKS:
        return check_function(TASKS[name], answer)
    if name in GOALS and bench is not None:
        return check_steps(GOALS[name], bench, answer)
    raise WorkbenchError(f"There is no exercise {name!r} here; there are {', '.join([*TASKS, *GOALS])}.")
