"""A forecast of weekly CO2, trained on targets with missing weeks."""

from lossmith.demos.co2.experiment import run
from lossmith.demos.co2.outcome import Settings

__all__ = ["Settings", "run"]
