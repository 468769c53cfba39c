"""Sums over alignments: the maths of losses for inputs and outputs of different length."""
