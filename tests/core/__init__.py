"""The notation, matching by name, elements, reductions and precision."""
