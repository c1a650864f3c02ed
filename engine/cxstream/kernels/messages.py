"""Rows of words to the wire bytes of messages, by a list of steps that is the same for every row.

Bytes are written from the last to the first, so that a message is there before its length.
https://protobuf.dev/programming-guides/encoding/
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import helper, kernel, ro, rw

_Ints = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]

#: What a step writes: a whole number, 8 bytes, one of the texts; the begin and the end of a message.
VARINT: Final = 0
FIXED_64: Final = 1
TEXT: Final = 2
BEGIN: Final = 3
END: Final = 4

#: Columns of a step.
KIND: Final = 0
TAG: Final = 1
SLOT: Final = 2
STRIDE: Final = 3
WHEN: Final = 4
RULE: Final = 5
STEP_WIDTH: Final = 6

#: Rules of a field: it is there always, unless it is 0 (a text: empty), unless it is NaN.
ALWAYS: Final = 0
UNLESS_ZERO: Final = 1
UNLESS_NAN: Final = 2

#: Rule of a message that is there once; others say how many of it stand in a row.
ONCE: Final = -1
#: Messages within messages, at most.
DEPTH_MAX: Final = 16
#: Bytes of the longest whole number.
VARINT_BYTES_MAX: Final = 10

#: Of a float64's bits: all but the sign, and those of infinity; NaN is above.
_MAGNITUDE: Final = 0x7FFFFFFFFFFFFFFF
_INFINITY: Final = 0x7FF0000000000000


@helper
def _put_varint(out: _Bytes, end: int, value: int) -> int:
    """Write a whole number, by sevens of bits, so that it ends there; return where it begins."""
    rest = np.uint64(value)
    if rest < np.uint64(0x80):
        out[end - 1] = np.uint8(rest)
        return end - 1
    size, left = 1, rest >> np.uint64(7)
    while left != 0:
        size += 1
        left >>= np.uint64(7)
    at = end - size
    while rest >= np.uint64(0x80):
        out[at] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return end - size


@helper
def _put_fixed(out: _Bytes, end: int, value: int) -> int:
    """Write 8 bytes, the lowest first, so that they end there; return where they begin."""
    for at in range(8):
        out[end - 8 + at] = np.uint8((value >> (8 * at)) & 0xFF)
    return end - 8


@kernel(
    types.int64(
        ro(types.int64, 2),  # steps
        ro(types.int64, 2),  # words
        ro(types.uint8),  # texts
        ro(types.int64),  # starts
        rw(types.uint8),  # out
    )
)
def encode_messages(steps: _Ints, words: _Ints, texts: _Bytes, starts: _Ints, out: _Bytes) -> int:
    """Write a message for every row, the last of them up to the end of the bytes.

    Parameters
    ----------
    steps : int64, shape (s, STEP_WIDTH)
        In the order of the bytes. KIND; TAG, of the field; then

        - of a field, SLOT: the word it is, or (a text) its number; RULE: see above;
        - of BEGIN and END, SLOT: the step that is the other; RULE: ONCE, or how many messages.

        WHEN: the word that tells, where it is 0, that there is none; -1: there always is. Within a
        message of several, slots move on by STRIDE with each; messages of several hold no such.
    words : int64, shape (g, w)
        What a message is made of; floats by their bits.
    texts, starts : uint8, (bytes,) and int64, (t + 1,)
        Text i is ``texts[starts[i]:starts[i + 1]]``.
    out : uint8
        Long enough.

    Returns
    -------
    int
        Where the first one begins.
    """
    pos = out.shape[0]
    ends = np.empty(DEPTH_MAX, np.int64)
    for row in range(words.shape[0] - 1, -1, -1):
        depth = 0
        turn = 0
        at = steps.shape[0] - 1
        while at >= 0:
            kind = steps[at, KIND]
            if kind < BEGIN:
                when = steps[at, WHEN]
                if when < 0 or words[row, when + turn * steps[at, STRIDE]] != 0:
                    word = words[row, steps[at, SLOT] + turn * steps[at, STRIDE]]
                    rule = steps[at, RULE]
                    before = pos
                    if kind == VARINT:
                        if rule != UNLESS_ZERO or word != 0:
                            pos = _put_varint(out, pos, word)
                    elif kind == TEXT:
                        first, size = starts[word], starts[word + 1] - starts[word]
                        if rule != UNLESS_ZERO or size > 0:
                            pos -= size
                            for byte in range(size):
                                out[pos + byte] = texts[first + byte]
                            pos = _put_varint(out, pos, size)
                    elif rule == UNLESS_NAN:
                        if (word & _MAGNITUDE) <= _INFINITY:
                            pos = _put_fixed(out, pos, word)
                    elif rule != UNLESS_ZERO or word != 0:
                        pos = _put_fixed(out, pos, word)
                    if pos < before:
                        pos = _put_varint(out, pos, steps[at, TAG])
                at -= 1
                continue
            begin, end = at, at
            if kind == BEGIN:
                end = steps[at, SLOT]
                depth -= 1
                pos = _put_varint(out, pos, ends[depth] - pos)
                pos = _put_varint(out, pos, steps[at, TAG])
            else:
                begin = steps[at, SLOT]
            several = steps[end, RULE] != ONCE
            there = kind == END
            if several:
                turn = steps[end, RULE] - 1 if kind == END else turn - 1
                when = steps[end, WHEN]
                while turn >= 0 and when >= 0 and words[row, when + turn * steps[end, STRIDE]] == 0:
                    turn -= 1
                there = turn >= 0
                turn = max(turn, 0)
            elif there:
                when = steps[end, WHEN]
                there = when < 0 or words[row, when + turn * steps[end, STRIDE]] != 0
            if there:
                ends[depth] = pos
                depth += 1
                at = end - 1
            else:
                at = begin - 1
    return int(pos)
