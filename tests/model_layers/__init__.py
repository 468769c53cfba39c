"""Tests of `lm.layers`."""
