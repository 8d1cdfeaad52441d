"""The words of the benchmarks' text, and how frequent each is."""

from __future__ import annotations

from itertools import product
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Different words of the text.
WORDS = 200_000
# Lower-case words without punctuation, from which most of the others are made.
_STEMS = 80_000
# The sum of all frequencies, roughly; the rarest words have a frequency of 1.
_SCALE = 8_000_000

_COMMON = """the and a i to it of is this for in my that was with you but on have not so very are as be they
great good one just these would like had will them all at from product love when or well if use more can up
what get because time only out really me no an which after about works quality bought little too easy buy also
got much been other do even nice perfect who price recommend better by your there her he she first two back
off any some new best small size made long years still received again never came another before then thing
way right using many money happy how few day since hard look most box gift read worth battery screen light
water coffee cat dog kids son daughter husband wife week month year star stars it's don't i'm"""
_FOREIGN = """café naïve über jalapeño crème façade señor résumé piñata Zoë Ångström smörgåsbord déjà mañana
bébé кофе отлично спасибо 素晴らしい 很好 좋아요 שלום 👍 ❤ 🎉 “great” … — €20 25° ½ ™"""
_ONSETS = " b br c ch d f g gr h j k l m n p pl qu r s sl st t th tr v w z"
_NUCLEI = "a e i o oa ea ou io ai y"
_CODAS = " n r s t l ng lk m st ty ed er ly"

# What a stem becomes, for how many of the most frequent stems, and in how many of 1,000 cases.
_FORMS = (
    ("{}", _STEMS, 820),
    ("{}", 40_000, 55),  # capitalized
    ("{},", 40_000, 55),
    ("{}.", 20_000, 55),
    ("{}!", 5_000, 9),
    ("({})", 5_000, 3),
    ("{}", 5_000, 3),  # in capitals
)
_CAPITALIZED, _UPPER = 1, 6


def vocabulary() -> tuple[list[bytes], NDArray[np.int64]]:
    """The words in UTF-8, without white space of any kind, and their frequencies: Zipf's law over the stems.

    Both come from integers alone, so they are the same on every machine.
    """
    counts: dict[str, int] = {}
    stems = list(zip(_stems(), map(_zipf, range(_STEMS)), strict=True))
    for number, (form, most, share) in enumerate(_FORMS):
        for stem, count in stems[:most]:
            shape = stem.capitalize() if number == _CAPITALIZED else stem.upper() if number == _UPPER else stem
            counts.setdefault(form.format(shape), max(1, count * share // 1000))
    for rank, word in enumerate(_FOREIGN.split()):
        counts.setdefault(word, _zipf(300 + 40 * rank))
    for number in range(WORDS - len(counts)):
        counts[f"{number}" if number % 3 else f"${number}.99"] = max(1, _zipf(number) // 100)
    return [word.encode() for word in counts], np.fromiter(counts.values(), np.int64)


def _zipf(rank: int) -> int:
    """The frequency of the stem of this rank, from 0: the power of -17 / 16, in integers."""
    # 7 is about the sum of all 1 / (rank + 3) ** (17 / 16).
    return isqrt(isqrt(isqrt(isqrt((_SCALE // 7) ** 16 // (rank + 3) ** 17))))


def _stems() -> list[str]:
    """Words of growing length: common English ones, then made-up ones."""
    # The empty onset and coda are there too: a space stands before the first.
    parts = (_ONSETS.split(" "), _NUCLEI.split(" "), _CODAS.split(" "))
    syllables = ["".join(syllable) for syllable in product(*parts)]
    stems = dict.fromkeys(_COMMON.split())
    random = np.random.PCG64(20)
    while len(stems) < _STEMS:
        count = 1 if len(stems) < 1_000 else 2 if len(stems) < 30_000 else 3
        drawn = random.random_raw((1_024, count)) % np.uint64(len(syllables))
        for row in drawn.tolist():
            stems["".join([syllables[number] for number in row])] = None
    return list(stems)[:_STEMS]
