"""Callbacks for `fit`: `lm.callbacks`."""

from lossmith.model.balance import SoftAdapt

__all__ = ["SoftAdapt"]
