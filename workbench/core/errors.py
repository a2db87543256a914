"""Every mistake a user can make is a WorkbenchError; anything else is our bug."""

from __future__ import annotations


class WorkbenchError(ValueError):
    """A request the workbench refuses, in one sentence for the person who made it."""


class KnobError(WorkbenchError):
    """A knob value outside its declared range or choices."""


class OrderError(WorkbenchError):
    """A sequence of steps that makes no sense, with the reason."""


class FileError(WorkbenchError):
    """A file that cannot be read as what it claims to be."""


class Cancelled(Exception):  # noqa: N818 - an outcome that someone asked for, not an error
    """The person, or a newer request, asked for this work to stop."""
