"""Callbacks for `fit`: `lm.callbacks`."""

from lossmith.look.blame_nan import BlameNaN
from lossmith.look.extreme_samples import ExtremeSamples
from lossmith.look.monitor import LossMonitor
from lossmith.look.probe_batch import ProbeBatch
from lossmith.model.balance import SoftAdapt

__all__ = ["BlameNaN", "ExtremeSamples", "LossMonitor", "ProbeBatch", "SoftAdapt"]
