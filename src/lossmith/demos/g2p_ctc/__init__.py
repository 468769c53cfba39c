"""Spelling to phonemes without a decoder: an encoder, and CTC over its frames."""

from lossmith.demos.g2p.outcome import Settings
from lossmith.demos.g2p_ctc.experiment import run

__all__ = ["Settings", "run"]
