"""Losses as Keras objects: weights, masks, training, saving, sums."""
