// MessagePack, bytes in and a tree out.
import { plainHex } from './bytes'
import { Cursor, integer, time } from './cursor'
import { attempt, Branch, brief, DEPTH_MAX, NotThis, Special, type Read, type Value } from './value'

export function readMsgpack(bytes: Uint8Array): Read {
  return attempt(() => {
    const cursor = new Cursor(bytes)
    const value = item(cursor, 0)
    cursor.end()
    return value
  })
}

function item(cursor: Cursor, depth: number): Value {
  if (depth > DEPTH_MAX) throw new NotThis('deep', cursor.at)
  const at = cursor.at
  const first = cursor.byte()
  if (first < 0x80) return first
  if (first >= 0xe0) return first - 0x100
  if (first < 0x90) return map(cursor, first & 15, depth)
  if (first < 0xa0) return list(cursor, first & 15, depth)
  if (first < 0xc0) return cursor.text(first & 31)
  switch (first) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return new Special(`h'${plainHex(cursor.take(size(cursor, first - 0xc4)))}'`)
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return extension(cursor, size(cursor, first - 0xc7))
    case 0xca:
      return float(cursor.view(4).getFloat32(0))
    case 0xcb:
      return float(cursor.view(8).getFloat64(0))
    case 0xcc:
    case 0xcd:
    case 0xce:
      return size(cursor, first - 0xcc)
    case 0xcf:
      return integer(cursor.view(8).getBigUint64(0))
    case 0xd0:
      return cursor.view(1).getInt8(0)
    case 0xd1:
      return cursor.view(2).getInt16(0)
    case 0xd2:
      return cursor.view(4).getInt32(0)
    case 0xd3:
      return integer(cursor.view(8).getBigInt64(0))
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(cursor, 1 << (first - 0xd4))
    case 0xd9:
    case 0xda:
    case 0xdb:
      return cursor.text(size(cursor, first - 0xd9))
    case 0xdc:
    case 0xdd:
      return list(cursor, size(cursor, first - 0xdc + 1), depth)
    case 0xde:
    case 0xdf:
      return map(cursor, size(cursor, first - 0xde + 1), depth)
    default:
      throw new NotThis('unexpected', at)
  }
}

/** An unsigned number of one, two or four bytes. */
function size(cursor: Cursor, power: number): number {
  if (power === 0) return cursor.byte()
  return power === 1 ? cursor.view(2).getUint16(0) : cursor.view(4).getUint32(0)
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
    const key = item(cursor, depth + 1)
    keys.push(typeof key === 'string' ? key : brief(key))
    values.push(item(cursor, depth + 1))
  }
  return new Branch(keys, values)
}

function float(n: number): Value {
  return Number.isFinite(n) ? n : new Special(String(n))
}

const TIMESTAMP = -1

function extension(cursor: Cursor, n: number): Value {
  const type = cursor.view(1).getInt8(0)
  const taken = cursor.take(n)
  if (type === TIMESTAMP) {
    const view = new DataView(taken.buffer, taken.byteOffset, n)
    if (n === 4) return time(view.getUint32(0) * 1000)
    if (n === 8) {
      const both = view.getBigUint64(0)
      return time(Number(both & 0x3_ffff_ffffn) * 1000 + Number(both >> 34n) / 1e6)
    }
    if (n === 12) return time(Number(view.getBigInt64(4)) * 1000 + view.getUint32(0) / 1e6)
  }
  return new Special(`ext(${type}, h'${plainHex(taken)}')`)
}
