"""Weight parts: how much positions count. A weight multiplies the error, once."""

from lossmith.parts.weights._computed import FromPrediction, FromTarget, Outside
from lossmith.parts.weights._given import ByClass, ByElement, ByStep, Field

__all__ = [
    "ByClass",
    "ByElement",
    "ByStep",
    "Field",
    "FromPrediction",
    "FromTarget",
    "Outside",
]
