// What changed from one payload to the next: by place where both are trees, by line where both are text.
import { likelyForm, isTree, readTree } from '@/payload/forms'
import { pathText, type Step } from '@/payload/outline'
import { decoded, likelyCharset } from '@/payload/text'
import { Branch, brief, written, type Value } from '@/payload/value'

export interface Change {
  readonly kind: 'added' | 'removed' | 'changed' | 'same'
  /** JSONPath; empty for lines of a text. */
  readonly place: string
  readonly before: string
  readonly after: string
}

/** `null` if both are equal, byte for byte. `bytes` if they can be compared by nothing else. */
export type Difference = { readonly changes: readonly Change[]; readonly more: number } | { readonly bytes: number; readonly first: number } | null

const CHANGES_MAX = 500
/** Lines are compared pair by pair. */
const LINES_MAX = 600

export function difference(before: Uint8Array, after: Uint8Array): Difference {
  const first = firstOdd(before, after)
  if (first < 0) return null
  const trees = [treeOf(before), treeOf(after)] as const
  const changes = trees[0] !== null && trees[1] !== null ? treeChanges(trees[0].value, trees[1].value) : lineChanges(textOf(before), textOf(after))
  if (changes === null || changes.every((change) => change.kind === 'same')) return { bytes: oddBytes(before, after), first }
  return { changes: changes.slice(0, CHANGES_MAX), more: Math.max(0, changes.length - CHANGES_MAX) }
}

function firstOdd(before: Uint8Array, after: Uint8Array): number {
  const length = Math.min(before.length, after.length)
  for (let at = 0; at < length; at += 1) if (before[at] !== after[at]) return at
  return before.length === after.length ? -1 : length
}

function oddBytes(before: Uint8Array, after: Uint8Array): number {
  const length = Math.min(before.length, after.length)
  let odd = Math.max(before.length, after.length) - length
  for (let at = 0; at < length; at += 1) if (before[at] !== after[at]) odd += 1
  return odd
}

function treeOf(bytes: Uint8Array): { value: Value } | null {
  const form = likelyForm(bytes)
  if (!isTree(form)) return null
  const read = readTree(bytes, form, likelyCharset(bytes) ?? 'utf-8')
  return 'value' in read ? read : null
}

function textOf(bytes: Uint8Array): string | null {
  const charset = likelyCharset(bytes)
  return charset === null ? null : decoded(bytes, charset)
}

function treeChanges(before: Value, after: Value): Change[] {
  const changes: Change[] = []
  compare(changes, [], before, after)
  return changes
}

function compare(changes: Change[], path: Step[], before: Value, after: Value): void {
  const isMap = before instanceof Branch && after instanceof Branch && before.keys !== null && after.keys !== null
  const isList = before instanceof Branch && after instanceof Branch && before.keys === null && after.keys === null
  if (isMap) compareMaps(changes, path, before, after)
  else if (isList) compareLists(changes, path, before, after)
  else if (written(before) !== written(after)) changes.push({ kind: 'changed', place: pathText(path), before: brief(before), after: brief(after) })
}

function compareMaps(changes: Change[], path: Step[], before: Branch, after: Branch): void {
  const old = new Map(before.keys?.map((key, at) => [key, before.values[at] ?? null]))
  after.keys?.forEach((key, at) => {
    const now = after.values[at] ?? null
    if (old.has(key)) compare(changes, [...path, key], old.get(key) ?? null, now)
    else changes.push({ kind: 'added', place: pathText([...path, key]), before: '', after: brief(now) })
    old.delete(key)
  })
  for (const [key, value] of old) changes.push({ kind: 'removed', place: pathText([...path, key]), before: brief(value), after: '' })
}

function compareLists(changes: Change[], path: Step[], before: Branch, after: Branch): void {
  const length = Math.max(before.values.length, after.values.length)
  for (let at = 0; at < length; at += 1) {
    const [old, now] = [before.values[at], after.values[at]]
    if (old === undefined) changes.push({ kind: 'added', place: pathText([...path, at]), before: '', after: brief(now ?? null) })
    else if (now === undefined) changes.push({ kind: 'removed', place: pathText([...path, at]), before: brief(old), after: '' })
    else compare(changes, [...path, at], old, now)
  }
}

/** `null` for what is no text, or too long. */
function lineChanges(before: string | null, after: string | null): Change[] | null {
  if (before === null || after === null) return null
  const [old, now] = [before.split('\n'), after.split('\n')]
  if (old.length > LINES_MAX || now.length > LINES_MAX) return null
  if (old.length === 1 && now.length === 1) return [{ kind: 'changed', place: '', before, after }]
  return common(old, now)
}

/** By the longest sequence of lines that both have. */
function common(old: readonly string[], now: readonly string[]): Change[] {
  const width = now.length + 1
  const lengths = new Uint16Array((old.length + 1) * width)
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const changes: Change[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    const [before, after] = [old[i] ?? '', now[j] ?? '']
    if (i < old.length && j < now.length && before === after) {
      changes.push({ kind: 'same', place: '', before, after })
      i += 1
      j += 1
    } else if (j < now.length && (i === old.length || at(i, j + 1) > at(i + 1, j))) {
      changes.push({ kind: 'added', place: '', before: '', after })
      j += 1
    } else {
      changes.push({ kind: 'removed', place: '', before, after: '' })
      i += 1
    }
  }
  return changes
}
