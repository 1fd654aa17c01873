"""Batches of samples as bytes: the form itself, written by hand, and what it refuses."""

import struct
import unittest

from ternmq import KINDS, pack_samples, unpack_samples


class Form(unittest.TestCase):
    def test_bytes_are_those_of_the_document(self):
        # The dashboard's test reads the same batch: web/src/payload/samples.test.ts.
        expected = (b"\x89TMS" b"\x01" b"\x02" b"\x03\x00"
                    + struct.pack("<ddQ", 1700000000.5, 250.0, 7)
                    + struct.pack("<6h", 1, -2, 3, 4, -5, 32767))
        rows = [[1, -2, 3], [4, -5, 32767]]
        made = pack_samples(rows, "int16", start=1700000000.5, rate=250, first=7)
        self.assertEqual(made, expected)
        self.assertEqual(len(made), 32 + 12)

    def test_every_kind_comes_back(self):
        extremes = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767),
                    "uint16": (0, 65535), "int32": (-2**31, 2**31 - 1), "uint32": (0, 2**32 - 1),
                    "int64": (-2**63, 2**63 - 1), "uint64": (0, 2**64 - 1),
                    "float32": (-1.5, 0.25), "float64": (-1e300, 0.1)}
        for kind in KINDS:
            got = unpack_samples(pack_samples([extremes[kind]] * 3, kind))
            self.assertEqual(got.rows, [extremes[kind]] * 3, kind)
            self.assertEqual((got.kind, got.channels, got.start, got.rate, got.first),
                             (kind, 2, None, None, 0))

    def test_times_and_channels(self):
        got = unpack_samples(pack_samples([[1, 2], [3, 4]], "int8", start=10, rate=4))
        self.assertEqual(got.times(), [10, 10.25])
        self.assertEqual(got.channel(1), [2, 4])
        with self.assertRaises(ValueError):
            unpack_samples(pack_samples([[1]], "int8")).times()

    def test_what_cannot_be_sent_says_why(self):
        for rows, kind, word in (([[300]], "int8", "int8"), ([[1], [1, 2]], "int8", "every row"),
                                 ([], "int8", "channels"), ([[1]], "int12", "kind"),
                                 ([[1e39]], "float32", "float32"), ([[1.5]], "int16", "int16")):
            with self.assertRaisesRegex(ValueError, word):
                pack_samples(rows, kind)

    def test_what_is_none_is_refused(self):
        good = pack_samples([[1, 2]], "int16")
        for bad in (b"", b"{}", good[:31], good[:-1], b"\x89TMS\x02" + good[5:],
                    good[:5] + b"\x0a" + good[6:], good[:6] + b"\0\0" + good[8:]):
            with self.assertRaises(ValueError):
                unpack_samples(bad)


if __name__ == "__main__":
    unittest.main()
