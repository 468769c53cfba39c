"""A small language model trained on one device, and on four that share each batch: equal losses.

Paragraphs have unlike lengths, so that no two devices count the same number of words. The four
devices are made of this machine's processor; on a machine with accelerators, leave the flag out.

    python examples/one_and_four_devices.py
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pydoc_data.topics import topics
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
)

import keras

import lossmith as lm

STEPS, BATCH, BATCHES, WORDS, PADDING, UNKNOWN = 24, 16, 12, 500, 0, 1


def make_data() -> tuple[Any, Any]:
    """Return words of Python's own help and the word after each, (paragraphs, STEPS)."""
    text = "\n".join(topics[name] for name in sorted(topics)).lower()
    paragraphs = [re.findall(r"[a-z']+|[.,;:()]", part) for part in text.split("\n\n")]
    paragraphs = [words for words in paragraphs if len(words) > 1][: BATCH * BATCHES]
    frequent = Counter(word for words in paragraphs for word in words).most_common(WORDS - 2)
    known = {word: place for place, (word, _) in enumerate(frequent, 2)}
    rows = [[known.get(word, UNKNOWN) for word in words][: STEPS + 1] for words in paragraphs]
    padded = lm.data.pad_to_multiple(rows, STEPS + 1, value=PADDING).astype("int32")
    return padded[:, :-1], padded[:, 1:]


def train(x: Any, y: Any, epochs: int = 3) -> list[float]:
    """Train a model from the same start, and return the loss of each epoch."""
    keras.utils.set_random_seed(0)
    words = keras.Input((STEPS,), dtype="int32")
    before = keras.layers.Embedding(WORDS, 32)(words)
    hidden = keras.layers.Conv1D(64, 4, padding="causal", activation="relu")(before)
    model = lm.Model(words, keras.layers.Dense(WORDS, name="lm_head")(hidden))
    mask = lm.masks.NotEqual(PADDING)
    loss = lm.LinearCrossEntropy("lm_head", "b t, b t [c]", mask=mask)
    model.compile(keras.optimizers.SGD(1.0), loss=loss)
    return model.fit(x, y, BATCH, epochs, shuffle=False, verbose=0).history["loss"]


def main() -> None:
    """Train both, and print them side by side."""
    x, y = make_data()
    devices = keras.distribution.list_devices()
    share = (y[:BATCH] != PADDING).reshape(len(devices), -1).sum(axis=1)
    print(f"words of the first batch that count on each device: {share.tolist()}")
    alone = train(x, y)
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    together = train(x, y)
    print(f"epoch   1 device   {len(devices)} devices   relative difference")
    for epoch, (one, many) in enumerate(zip(alone, together, strict=True), 1):
        print(f"{epoch:5}   {one:.6f}   {many:.6f}    {abs(one - many) / one:.1e}")


if __name__ == "__main__":
    main()
