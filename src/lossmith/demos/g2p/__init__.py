"""Spelling to phonemes, trained with the usual masked loss and with ours."""

from lossmith.demos.g2p.experiment import run
from lossmith.demos.g2p.outcome import Settings

__all__ = ["Settings", "run"]
