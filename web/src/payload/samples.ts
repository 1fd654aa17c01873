// A batch of samples that says itself what it is, as the Python package sends it: `docs/python.md` has
// the form. Thus its numbers need no choosing.
import { KINDS, type Layout } from './numbers'

export interface Batch {
  readonly layout: Layout
  /** Milliseconds since 1970 of the first row. */
  readonly start: number | null
  /** Rows a second. */
  readonly rate: number | null
  /** Rows of the stream before it. */
  readonly before: bigint
}

const MAGIC = [0x89, 0x54, 0x4d, 0x53]
const VERSION = 1
const HEADER = 32
/** More channels are left to the reader's choice: each would be a curve. */
const CHANNELS_MAX = 64

export function batchOf(bytes: Uint8Array): Batch | null {
  if (bytes.length < HEADER || MAGIC.some((byte, at) => bytes[at] !== byte) || bytes[4] !== VERSION) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER)
  const kind = KINDS[view.getUint8(5)]
  const channels = view.getUint16(6, true)
  if (kind === undefined || channels === 0 || channels > CHANNELS_MAX) return null
  const [start, rate] = [view.getFloat64(8, true) * 1000, view.getFloat64(16, true)]
  return {
    layout: { kind, little: true, channels, skip: HEADER },
    start: Number.isFinite(start) ? start : null,
    rate: Number.isFinite(rate) ? rate : null,
    before: view.getBigUint64(24, true),
  }
}
