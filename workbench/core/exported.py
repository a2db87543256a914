"""What came of writing a compressed network for other programs: plain data, loads without torch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """An exported network beside the one it was made of, on `n` images of `split`.

    largest_difference: of any score; largest_score: the greatest magnitude among the scores it is to be seen against.
    same: images to which both give the same answer; correct: of the exported network. runtime: what ran it.
    """

    largest_difference: float
    largest_score: float
    same: int
    correct: int
    n: int
    split: str
    runtime: str

    @property
    def same_answers(self) -> bool:
        """Whether both gave the same answer to every image."""
        return self.same == self.n

    @property
    def accuracy(self) -> float:
        """Share of right answers of the exported network, in [0, 1]."""
        return self.correct / self.n


@dataclass(frozen=True)
class Exported:
    """format: a name among workbench.export.FORMATS. wbz_bytes: of the artifact that it was made of.

    stored: tensor -> how its values are written. check: None where nothing ran, because every bit was compared.
    seconds: writing and checking. notes: sentences about the file.
    """

    format: str
    network: str
    dataset: str
    file_bytes: int
    wbz_bytes: int
    seconds: float
    check: Check | None = None
    stored: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
