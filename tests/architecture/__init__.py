"""Tests of the project itself: imports, public names, messages, examples in docstrings."""
