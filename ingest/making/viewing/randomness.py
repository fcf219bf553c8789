"""Counter-based random numbers: draw number `index` of a key is a pure function of the two.

Nothing is consumed in order, so a viewer's rows depend on the seed and that viewer alone: not on the shard,
the process, or who else is simulated. Method: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), its finaliser
by David Stafford ("Better bit mixing", variant 13). A key is itself a draw of the key above it (seed, viewer,
title run), so that no two fields share a hash of a plain sum.
"""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def draw(keys: Keys, index: int | NDArray[np.integer]) -> Keys:
    """64 random bits for each key: draw number `index` (>= 0; one for all keys, or one for each)."""
    if isinstance(index, np.ndarray):
        mixed = index.astype(np.uint64)
        mixed *= np.uint64(_GOLDEN)
        mixed += keys
    else:
        mixed = keys + np.uint64(_GOLDEN * index & _MASK)
    return _finalise(mixed)


def seed_key(seed: int) -> Keys:
    """The root key of a seed (any integer): an array of one."""
    return _finalise(np.array([seed & _MASK], dtype=np.uint64) + np.uint64(_GOLDEN))


def bits(words: Keys, first: int, count: int) -> NDArray[np.intp]:
    """Bits `first` to `first + count - 1` of each word, as an index into a table of 2 ** count entries."""
    shifted = words >> np.uint64(first) if first else words
    if first + count < 64:
        shifted = shifted & np.uint64((1 << count) - 1)
    return shifted.view(np.int64)


def _finalise(words: Keys) -> Keys:
    scratch = words >> np.uint64(30)
    words ^= scratch
    words *= _MULTIPLIER_1
    np.right_shift(words, np.uint64(27), out=scratch)
    words ^= scratch
    words *= _MULTIPLIER_2
    np.right_shift(words, np.uint64(31), out=scratch)
    words ^= scratch
    return words
