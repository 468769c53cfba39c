"""Losses over alignments: their maths, decoding, error rates."""
