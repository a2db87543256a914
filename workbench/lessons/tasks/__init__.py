"""The functions that learners write: what each should do, the mistakes that people make, and the hints."""

from __future__ import annotations

from ..checker import Task
from . import coding, deep_compression, distillation, explained, low_rank, pruning, redundant

_LESSONS = (redundant, pruning, coding, low_rank, distillation, deep_compression, explained)
TASKS: dict[str, Task] = {task.name: task for lesson in _LESSONS for task in lesson.TASKS}
