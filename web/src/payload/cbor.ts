// CBOR (RFC 8949), bytes in and a tree out.
import { plainHex } from './bytes'
import { attempt, Branch, brief, DEPTH_MAX, NotThis, Special, type Read, type Value } from './value'
import { Cursor, integer, time } from './cursor'

export function readCbor(bytes: Uint8Array): Read {
  return attempt(() => {
    const cursor = new Cursor(bytes)
    const value = item(cursor, 0)
    cursor.end()
    return value
  })
}

/** Major types. */
const TEXT = 3
const LIST = 4
const MAP = 5
const INDEFINITE = 31
const BREAK = 0xff

function item(cursor: Cursor, depth: number): Value {
  if (depth > DEPTH_MAX) throw new NotThis('deep', cursor.at)
  const at = cursor.at
  const first = cursor.byte()
  const major = first >> 5
  const info = first & 31
  if (major === 7) return simple(cursor, info, at)
  if (info === INDEFINITE) return indefinite(cursor, major, depth, at)
  const n = argument(cursor, info, at)
  switch (major) {
    case 0:
      return integer(n)
    case 1:
      return integer(-1n - n)
    case 2:
      return bytesValue(cursor.take(length(n, at)))
    case TEXT:
      return cursor.text(length(n, at))
    case LIST:
      return list(cursor, length(n, at), depth)
    case MAP:
      return map(cursor, length(n, at), depth)
    default:
      return tagged(n, item(cursor, depth + 1))
  }
}

function argument(cursor: Cursor, info: number, at: number): bigint {
  if (info < 24) return BigInt(info)
  if (info === 24) return BigInt(cursor.byte())
  if (info === 25) return BigInt(cursor.view(2).getUint16(0))
  if (info === 26) return BigInt(cursor.view(4).getUint32(0))
  if (info === 27) return cursor.view(8).getBigUint64(0)
  throw new NotThis('unexpected', at)
}

/** More than there can be is the end of the bytes. */
function length(n: bigint, at: number): number {
  if (n > 0xffff_ffffn) throw new NotThis('end', at)
  return Number(n)
}

function list(cursor: Cursor, n: number, depth: number): Branch {
  const values: Value[] = []
  for (let i = 0; i < n; i += 1) values.push(item(cursor, depth + 1))
  return new Branch(null, values)
}

function map(cursor: Cursor, n: number, depth: number): Branch {
  const keys: string[] = []
  const values: Value[] = []
  for (let i = 0; i < n; i += 1) {
    keys.push(key(item(cursor, depth + 1)))
    values.push(item(cursor, depth + 1))
  }
  return new Branch(keys, values)
}

function key(value: Value): string {
  return typeof value === 'string' ? value : brief(value)
}

function indefinite(cursor: Cursor, major: number, depth: number, at: number): Value {
  const parts: Value[] = []
  while (cursor.peek() !== BREAK) parts.push(item(cursor, depth + 1))
  cursor.byte()
  if (major === LIST) return new Branch(null, parts)
  if (major === TEXT && parts.every((part) => typeof part === 'string')) return parts.join('')
  if (major === MAP && parts.length % 2 === 0) {
    const keys = parts.filter((_, i) => i % 2 === 0).map(key)
    return new Branch(keys, parts.filter((_, i) => i % 2 === 1))
  }
  if (major === 2) return new Special(parts.map(brief).join(' '))
  throw new NotThis('unexpected', at)
}

function bytesValue(bytes: Uint8Array): Special {
  return new Special(`h'${plainHex(bytes)}'`)
}

/** The tags that everybody has: times and large numbers. Others stand before their value. */
function tagged(tag: bigint, value: Value): Value {
  if (tag === 55799n) return value
  if (tag === 0n && typeof value === 'string') return value
  if (tag === 1n && typeof value === 'number') return time(value * 1000)
  const large = value instanceof Special ? /^h'([0-9a-f]+)'$/.exec(value.text)?.[1] : undefined
  if (tag === 2n && large) return integer(BigInt(`0x${large}`))
  if (tag === 3n && large) return integer(-1n - BigInt(`0x${large}`))
  return value instanceof Branch ? new Branch([String(tag)], [value]) : new Special(`${tag}(${brief(value)})`)
}

function simple(cursor: Cursor, info: number, at: number): Value {
  switch (info) {
    case 20:
      return false
    case 21:
      return true
    case 22:
      return null
    case 23:
      return new Special('undefined')
    case 24:
      return new Special(`simple(${cursor.byte()})`)
    case 25:
      return float(half(cursor.view(2).getUint16(0)))
    case 26:
      return float(cursor.view(4).getFloat32(0))
    case 27:
      return float(cursor.view(8).getFloat64(0))
    default:
      if (info < 20) return new Special(`simple(${info})`)
      throw new NotThis('unexpected', at)
  }
}

/** JSON has no word for what is no number or infinite. */
function float(n: number): Value {
  return Number.isFinite(n) ? n : new Special(String(n))
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const mantissa = bits & 0x3ff
  if (exponent === 0) return sign * mantissa * 2 ** -24
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1024 + mantissa) * 2 ** (exponent - 25)
}
