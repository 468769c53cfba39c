"""Models whose losses see everything."""

from lossmith.model.model import Model

__all__ = ["Model"]
