"""A small language model on real text, with the fused loss over its vocabulary.

The text is the part of Python's language reference that the interpreter carries with it for
`help()`. Paragraphs have unlike lengths, and the batch is padded: the loss makes logits for the
words that count, a chunk of them at a time.

    KERAS_BACKEND=torch python examples/language_model.py
"""

from __future__ import annotations

import re
from collections import Counter
from pydoc_data.topics import topics
from typing import Any

import keras
import numpy as np

import lossmith as lm

STEPS, WIDTH, PADDING, UNKNOWN = 48, 96, 0, 1


def make_data(words: int = 3000) -> tuple[Any, Any]:
    """Return words and the word that comes after each, (paragraphs, STEPS), padded with 0."""
    text = "\n".join(topics.values()).lower()
    paragraphs = [re.findall(r"[a-z']+|[.,;:()]", part) for part in text.split("\n\n")]
    frequent = Counter(word for paragraph in paragraphs for word in paragraph)
    known = {word: place for place, (word, _) in enumerate(frequent.most_common(words - 2), 2)}
    rows = [[known.get(word, UNKNOWN) for word in paragraph] for paragraph in paragraphs]
    rows = [row[: STEPS + 1] for row in rows if len(row) > 3]
    padded = np.array([row + [PADDING] * (STEPS + 1 - len(row)) for row in rows], "int32")
    return padded[:, :-1], padded[:, 1:]


def make_model(words: int, steps: int = STEPS, width: int = WIDTH) -> Any:
    """Return a model from words to logits, whose last layer is an ordinary one."""
    tokens = keras.Input((steps,), dtype="int32")
    places = keras.ops.cumsum(keras.ops.ones_like(tokens), axis=1) - 1
    hidden = keras.layers.Add()(
        [
            keras.layers.Embedding(words, width)(tokens),
            keras.layers.Embedding(steps, width)(places),
        ]
    )
    for _ in range(2):
        seen = keras.layers.LayerNormalization()(hidden)
        seen = keras.layers.MultiHeadAttention(4, width // 4)(seen, seen, use_causal_mask=True)
        hidden = keras.layers.Add()([hidden, seen])
        seen = keras.layers.Dense(2 * width, activation="gelu")(
            keras.layers.LayerNormalization()(hidden)
        )
        hidden = keras.layers.Add()([hidden, keras.layers.Dense(width)(seen)])
    hidden = keras.layers.LayerNormalization()(hidden)
    return lm.Model(tokens, keras.layers.Dense(words, name="lm_head")(hidden))


def make_loss() -> lm.LinearCrossEntropy:
    """Average over words that are no padding."""
    return lm.LinearCrossEntropy(
        "lm_head",
        "b t, b t [c]",
        mask=lm.masks.NotEqual(PADDING),
        metrics=["accuracy", "perplexity"],
    )


def main(epochs: int = 3, words: int = 3000, paragraphs: int | None = None) -> dict[str, Any]:
    """Train, and return what was logged."""
    keras.utils.set_random_seed(0)
    x, y = (array[:paragraphs] for array in make_data(words))
    model = make_model(words)
    model.compile(keras.optimizers.Adam(2e-3), loss=make_loss())
    held_out = len(x) // 10
    history = model.fit(
        x[held_out:],
        y[held_out:],
        batch_size=32,
        epochs=epochs,
        validation_data=(x[:held_out], y[:held_out]),
        verbose=2,
    ).history
    print(f"{np.mean(y != PADDING):.0%} of {y.size} places hold a word to be predicted")
    print(f"perplexity of text not trained on: {history['val_perplexity'][-1]:.1f}")
    return history


if __name__ == "__main__":
    main()
