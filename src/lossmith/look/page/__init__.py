"""One self-contained HTML page: it asks for nothing over the network."""

from lossmith.look.page.document import render, write
from lossmith.look.page.explanation import of_explanation, write_explanation
from lossmith.look.page.run import of_run
from lossmith.look.page.sections import (
    Bars,
    Frame,
    Grid,
    Line,
    Lines,
    Section,
    Series,
    Source,
    Table,
    Text,
)

__all__ = [
    "Bars",
    "Frame",
    "Grid",
    "Line",
    "Lines",
    "Section",
    "Series",
    "Source",
    "Table",
    "Text",
    "of_explanation",
    "of_run",
    "render",
    "write",
    "write_explanation",
]
