// The lines of a tree that are seen: all but those below what is folded.
import { Branch, type Value } from './value'

export type Step = string | number

export interface Line {
  /** Where it is, as a text; equal places of two payloads have equal ones. */
  readonly key: string
  readonly depth: number
  /** `null` where there is nothing to unfold. */
  readonly open: boolean | null
  readonly parent: Line | null
  /** Its own name or number; `null` for the whole. */
  readonly step: Step | null
  readonly value: Value
}

/** More lines than this do not open by themselves. */
const OPEN_LINES = 200

/** How deep a tree opens by itself, so that it is seen at one look. */
export function openDepth(root: Value): number {
  let level: Value[] = [root]
  let lines = 1
  for (let depth = 0; ; depth += 1) {
    const below = level.flatMap((value) => (value instanceof Branch ? value.values.slice(0, OPEN_LINES + 1) : []))
    lines += below.length
    if (below.length === 0 || (lines > OPEN_LINES && depth > 0)) return depth
    if (lines > OPEN_LINES) return 1
    level = below
  }
}

/** `turned` has the keys of branches that were opened or folded by hand. */
export function outline(root: Value, depth: number, turned: ReadonlyMap<string, boolean>): Line[] {
  const all: Line[] = []
  add(all, null, null, '$', root, depth, turned)
  return all
}

function add(all: Line[], parent: Line | null, step: Step | null, key: string, value: Value, openTo: number, turned: ReadonlyMap<string, boolean>): void {
  const depth = parent === null ? 0 : parent.depth + 1
  const unfolds = value instanceof Branch && value.values.length > 0
  const open = unfolds ? (turned.get(key) ?? depth < openTo) : null
  const line: Line = { key, depth, open, parent, step, value }
  all.push(line)
  if (!open || !(value instanceof Branch)) return
  const { keys, values } = value
  for (let at = 0; at < values.length; at += 1) {
    const below = keys ? (keys[at] ?? '') : at
    add(all, line, below, key + written(below), values[at] ?? null, openTo, turned)
  }
}

const PLAIN = /^[A-Za-z_$][\w$]*$/

function written(step: Step): string {
  if (typeof step === 'number') return `[${step}]`
  return PLAIN.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
}

export function pathOf(line: Line): Step[] {
  const steps: Step[] = []
  for (let at: Line | null = line; at !== null; at = at.parent) if (at.step !== null) steps.unshift(at.step)
  return steps
}

/** JSONPath. */
export function pathText(steps: readonly Step[]): string {
  return `$${steps.map(written).join('')}`
}

/** What is at a place; `undefined` if nothing is. */
export function valueAt(root: Value, steps: readonly Step[]): Value | undefined {
  let at: Value | undefined = root
  for (const step of steps) {
    if (!(at instanceof Branch)) return undefined
    const index: number = typeof step === 'number' ? step : (at.keys?.indexOf(step) ?? -1)
    at = at.values[index]
  }
  return at
}
