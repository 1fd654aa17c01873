// Bytes as a row of numbers of one kind, in turn for each channel, as sensors and sound cards send them.
export const KINDS = ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float32', 'float64'] as const
export type Kind = (typeof KINDS)[number]

export interface Layout {
  readonly kind: Kind
  /** The least significant byte comes first. */
  readonly little: boolean
  readonly channels: number
  /** Bytes before the first number. */
  readonly skip: number
}

export interface Numbers {
  /** A row for each moment, a number for each channel. Those of 64 bits are whole. */
  readonly rows: readonly (readonly (number | bigint)[])[]
  /** Bytes behind the last whole row. */
  readonly rest: number
}

type Take = (view: DataView, at: number, little: boolean) => number | bigint

const TAKE: Record<Kind, { readonly width: number; readonly take: Take }> = {
  int8: { width: 1, take: (v, at) => v.getInt8(at) },
  uint8: { width: 1, take: (v, at) => v.getUint8(at) },
  int16: { width: 2, take: (v, at, little) => v.getInt16(at, little) },
  uint16: { width: 2, take: (v, at, little) => v.getUint16(at, little) },
  int32: { width: 4, take: (v, at, little) => v.getInt32(at, little) },
  uint32: { width: 4, take: (v, at, little) => v.getUint32(at, little) },
  int64: { width: 8, take: (v, at, little) => v.getBigInt64(at, little) },
  uint64: { width: 8, take: (v, at, little) => v.getBigUint64(at, little) },
  float32: { width: 4, take: (v, at, little) => v.getFloat32(at, little) },
  float64: { width: 8, take: (v, at, little) => v.getFloat64(at, little) },
}

export function numbersOf(bytes: Uint8Array, layout: Layout): Numbers {
  const { width, take } = TAKE[layout.kind]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const step = width * layout.channels
  const rows: (number | bigint)[][] = []
  let at = Math.min(layout.skip, bytes.length)
  for (; at + step <= bytes.length; at += step) {
    const row: (number | bigint)[] = []
    for (let channel = 0; channel < layout.channels; channel += 1) row.push(take(view, at + channel * width, layout.little))
    rows.push(row)
  }
  return { rows, rest: bytes.length - at }
}

export interface Extent {
  readonly least: number
  readonly most: number
  readonly mean: number
}

/** Of a channel's finite numbers; `null` if it has none. */
export function extent(rows: Numbers['rows'], channel: number): Extent | null {
  let [least, most, sum, n] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  for (const row of rows) {
    const value = Number(row[channel])
    if (!Number.isFinite(value)) continue
    if (value < least) least = value
    if (value > most) most = value
    sum += value
    n += 1
  }
  return n === 0 ? null : { least, most, mean: sum / n }
}

/** As it is read: all digits of whole numbers, those of a float of 32 bits that it has. */
export function shownNumber(value: number | bigint, kind: Kind): string {
  if (typeof value === 'bigint' || Number.isInteger(value)) return String(value)
  return String(Number(value.toPrecision(kind === 'float32' ? 8 : 16)))
}
