// Which rows of the topic tree are seen, and in which order.
import type { TreeRow } from '@/design/tree'
import { hold, release, type Steady } from '@/design/steady'

import { below, isSystem, type Branch, type Level } from './topic'

export type Sort = 'name' | 'rate'

export interface TopicRow extends TreeRow {
  /** The topic or branch. */
  readonly key: string
  readonly level: Level
  /** It is among the newest no more, and leaves when nobody points. */
  readonly gone: boolean
  /** Levels of a branch for which the broker found no room, as a row of its own. */
  readonly more: number
}

/** As many as one page may have open besides the root. */
export const OPEN_MAX = 20

const texts = new Intl.Collator(undefined, { numeric: true })

function byName(a: Level, b: Level): number {
  return texts.compare(a.name, b.name)
}

/** The broker's own come last. */
export function ordered(levels: readonly Level[], sort: Sort): Level[] {
  return [...levels].sort((a, b) => {
    const system = Number(isSystem(a.name)) - Number(isSystem(b.name))
    if (system !== 0) return system
    return sort === 'rate' ? b.rate - a.rate || byName(a, b) : byName(a, b)
  })
}

export type Shown = Map<string | null, readonly Steady<Level>[]>

/** The levels of each branch: where they were while somebody points, else in their order. */
export function settled(branches: ReadonlyMap<string | null, Branch>, sort: Sort, before: Shown | null): Shown {
  const all: Shown = new Map()
  for (const [branch, { levels }] of branches) {
    const newest = ordered(levels, sort)
    const old = before?.get(branch)
    all.set(branch, old ? hold(old, newest, (level) => level.name) : release(newest))
  }
  return all
}

const NOTHING: Level = { name: '', topics: 0, rate: 0, count: 0, is_topic: false, retained: false }

export function rowsOf(shown: Shown, more: ReadonlyMap<string | null, number>, open: ReadonlySet<string>): TopicRow[] {
  const rows: TopicRow[] = []
  const add = (branch: string | null, depth: number): void => {
    for (const { row: level, gone } of shown.get(branch) ?? []) {
      const key = below(branch, level.name)
      const unfolds = level.topics > (level.is_topic ? 1 : 0)
      const isOpen = unfolds ? open.has(key) : null
      rows.push({ key, depth, open: isOpen, level, gone, more: 0 })
      if (isOpen) add(key, depth + 1)
    }
    const left = more.get(branch) ?? 0
    // No topic has this sign in it.
    if (left > 0) rows.push({ key: `${below(branch, '')}\0`, depth, open: null, level: NOTHING, gone: false, more: left })
  }
  add(null, 0)
  return rows
}

/** Opened, or folded with all that is below it; what was opened first gives way to too many. */
export function turned(open: readonly string[], branch: string): string[] {
  if (open.includes(branch)) return open.filter((one) => one !== branch && !one.startsWith(`${branch}/`))
  const all = [...open, branch]
  while (all.length > OPEN_MAX) {
    const first = all.find((one) => one !== branch && !branch.startsWith(`${one}/`))
    if (first === undefined) return open.slice()
    all.splice(0, all.length, ...turned(all, first))
  }
  return all
}

/** Opens all that a topic stands in. */
export function opened(open: readonly string[], topic: string): string[] {
  let all = open.slice()
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) {
    const branch = topic.slice(0, at)
    if (!all.includes(branch)) all = turned(all, branch)
  }
  return all
}

/** Branches in the address, each beginning with a slash. */
export function written(open: readonly string[]): string {
  return open.map((branch) => `/${branch.split('/').map(encodeURIComponent).join('/')}`).join(',')
}

export function parsed(text: string): string[] {
  const all = text.split(',').filter((one) => one.startsWith('/'))
  try {
    return all.slice(0, OPEN_MAX).map((one) => one.slice(1).split('/').map(decodeURIComponent).join('/'))
  } catch {
    return []
  }
}
