"""A batch of samples as bytes that say what they are.

    0   4  89 54 4D 53 (89 "TMS")             16  8  rows a second, float64; NaN: not told
    4   1  version, 1                         24  8  rows of the stream before this batch, u64
    5   1  kind of number, see KINDS          32  .. the numbers: row after row, in a row one for
    6   2  channels, u16                             each channel
    8   8  time of the first row, float64,    Everything has its least significant byte first.
           seconds since 1970; NaN: not told
"""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import dataclass
from typing import Iterable, List, Sequence, Tuple

KINDS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32",
         "float64")
_CODES = dict(zip(KINDS, "bBhHiIqQfd"))
_HEADER = struct.Struct("<4sBBHddQ")
_MAGIC = b"\x89TMS"
_VERSION = 1
CHANNELS_MAX = 65535


@dataclass(frozen=True)
class Samples:
    """Rows of numbers: a row for each moment, a number for each channel."""

    kind: str
    channels: int
    rows: List[Tuple[float, ...]]
    # Seconds since 1970 of the first row.
    start: float | None
    # Rows a second.
    rate: float | None
    # Rows of the stream that went before: a gap shows what was lost.
    first: int

    def channel(self, at: int) -> List[float]:
        """The numbers of one channel, counted from 0."""
        return [row[at] for row in self.rows]

    def times(self) -> List[float]:
        """The time of each row, in seconds since 1970; needs start and rate."""
        if self.start is None or not self.rate:
            raise ValueError("these samples do not tell their start and rate")
        return [self.start + at / self.rate for at in range(len(self.rows))]


def pack_samples(rows: Iterable[Sequence[float]], kind: str = "float32", *,
                 start: float | None = None, rate: float | None = None, first: int = 0) -> bytes:
    """Rows of numbers as bytes; an array of numpy with two dimensions will do."""
    rows = rows.tolist() if hasattr(rows, "tolist") else list(rows)
    channels = len(rows[0]) if rows else 0
    check(kind, channels)
    if any(len(row) != channels for row in rows):
        raise ValueError(f"every row has {channels} numbers, as the first one has")
    header = _HEADER.pack(_MAGIC, _VERSION, KINDS.index(kind), channels,
                          math.nan if start is None else start,
                          math.nan if rate is None else rate, first)
    numbers = itertools.chain.from_iterable(rows)
    try:
        return header + struct.pack(f"<{len(rows) * channels}{_CODES[kind]}", *numbers)
    except (struct.error, OverflowError) as why:
        raise ValueError(f"a number that {kind} cannot hold: {why}") from why


def unpack_samples(payload: bytes) -> Samples:
    """What pack_samples made; ValueError if it is something else."""
    if len(payload) < _HEADER.size or payload[:4] != _MAGIC:
        raise ValueError("no batch of samples: it does not begin as one")
    _, version, kind_at, channels, start, rate, first = _HEADER.unpack_from(payload)
    if version != _VERSION or kind_at >= len(KINDS) or channels == 0:
        raise ValueError(f"a batch of samples of an unknown form (version {version})")
    kind = KINDS[kind_at]
    row = struct.Struct(f"<{channels}{_CODES[kind]}")
    if (len(payload) - _HEADER.size) % row.size:
        raise ValueError("a batch of samples that is not whole")
    rows = list(row.iter_unpack(payload[_HEADER.size:]))
    return Samples(kind, channels, rows, None if math.isnan(start) else start,
                   None if math.isnan(rate) else rate, first)


def check(kind: str, channels: int) -> None:
    """ValueError for what has no form."""
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    if not 1 <= channels <= CHANNELS_MAX:
        raise ValueError(f"1 to {CHANNELS_MAX} channels, not {channels}")
