"""What a run depends on, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

from lossmith.demos.g2p.data import Dataset, Pronunciation
from lossmith.demos.g2p.scores import Score
from lossmith.demos.training import Trained

THEIRS = "hand-written"
OURS = "lossmith"


@dataclass(frozen=True)
class Settings:
    """What a run depends on, beside the machine."""

    words: int
    epochs: int
    seed: int
    batch: int = 128
    units: int = 96
    learning_rate: float = 5e-3

    @property
    def held_out(self) -> int:
        """How many words to judge by: fewer when few are trained on."""
        return min(2000, max(100, self.words // 10))


@dataclass(frozen=True)
class Outcome:
    """One model, trained with one loss.

    Attributes:
        trained: What the training logged.
        nats: Cross-entropy of a held-out phoneme, after each epoch.
        written: What it writes for the held-out words.
        score: How good that is.
    """

    trained: Trained
    nats: list[float]
    written: list[Pronunciation]
    score: Score


@dataclass(frozen=True)
class Result:
    """Everything that is reported.

    Attributes:
        settings: What was asked for.
        dataset: The words that it used.
        outcomes: What each loss led to.
        padding: The value of each loss for a batch, as it is and padded.
        seconds: How long everything took.
    """

    settings: Settings
    dataset: Dataset
    outcomes: dict[str, Outcome]
    padding: dict[str, dict[str, float]]
    seconds: float
