"""The contract: notation, axes, elements, sources, the pipeline. Knows no single part."""
