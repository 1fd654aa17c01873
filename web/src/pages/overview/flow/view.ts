// What of the flow is drawn: boxes of three columns, the lines between them, and where messages end.
import type { ColumnName } from '@/app/feeds'

import { fold, type Fold } from './fold'
import { rateOfLine, type Flow, type Line, type Loss, type Node } from './model'

export type Side = 'in' | 'out'
export type Place = 'publisher' | 'topic' | 'reader'

export interface Box {
  /** Stays the same while it is the same one. */
  readonly key: string
  readonly place: Place
  readonly column: ColumnName
  readonly kind: Fold<Node>['kind']
  readonly name: string
  /** Clients or topics in it. */
  readonly count: number
  readonly away: boolean
  readonly queued: number
  readonly inFlight: number
  /** Messages a second through it. */
  readonly rate: number
  /** What was lost on the way to it, in the last seconds. */
  readonly loss: Lost | null
}

/** Why; how much is told by the figures, because losses that are listed are a sample. */
export interface Lost {
  /** A word that stays, such as `queue_full`. */
  readonly kind: string
  readonly reason: string
  readonly remedy: string
}

export interface Link {
  readonly key: string
  readonly side: Side
  readonly from: string
  readonly to: string
  readonly rate: number
  /** Messages of the last second. */
  readonly last: number
  readonly loss: Lost | null
}

export interface View {
  readonly boxes: readonly Box[]
  readonly links: readonly Link[]
  /** Topics that nobody gets. */
  readonly stubs: ReadonlySet<string>
}

/** `left` are clients that have disconnected: they are not drawn on for the seconds that silent ones are. */
export function viewOf(flow: Flow, losses: readonly Loss[], left: ReadonlySet<string>, max: number): View {
  const ins = [...flow.in.values()].filter((line) => line.last > 0 || !left.has(flow.nodes.get(line.from)?.name ?? ''))
  const topics = new Set(ins.map((line) => line.to))
  const outs = [...flow.out.values()].filter((line) => topics.has(line.from))
  const throughputs = [sums(ins, 'from'), sums(ins, 'to'), sums(outs, 'to')] as const
  const places: readonly Place[] = ['publisher', 'topic', 'reader']
  const boxOf = new Map<number, string>()
  const boxes = places.flatMap((place, at) => {
    const rates = throughputs[at] ?? new Map<number, number>()
    const nodes = [...rates.keys()].map((n) => flow.nodes.get(n)).filter((node) => node !== undefined)
    return column(place, nodes, rates, max, boxOf)
  })
  const links = [...joined('in', ins, boxOf), ...joined('out', outs, boxOf)]
  const served = new Set(links.filter((link) => link.side === 'out').map((link) => link.from))
  const stubs = new Set(boxes.filter((box) => box.place === 'topic' && !served.has(box.key)).map((box) => box.key))
  return withLosses({ boxes, links, stubs }, losses)
}

function sums(lines: readonly Line[], end: 'from' | 'to'): Map<number, number> {
  const all = new Map<number, number>()
  for (const line of lines) all.set(line[end], (all.get(line[end]) ?? 0) + rateOfLine(line))
  return all
}

function column(place: Place, nodes: readonly Node[], rates: ReadonlyMap<number, number>, max: number, boxOf: Map<number, string>): Box[] {
  // A shared group is a box of its own, whatever its name begins with.
  const groups = nodes.filter((node) => node.column === 'group')
  const plain = nodes.filter((node) => node.column !== 'group')
  const weighed = (node: Node) => ({ ...node, weight: rates.get(node.n) ?? 0 })
  const forGroups = Math.min(groups.length, Math.floor(max / 2))
  const folds = [...fold(plain.map(weighed), max - forGroups), ...fold(groups.map(weighed), Math.max(1, forGroups))]
  return folds.map((one) => {
    const column = one.members[0]?.column ?? 'client'
    const key = `${place} ${column === 'group' ? 'group' : ''} ${one.kind === 'alike' ? '*' : ''}${one.name}`
    for (const member of one.members) boxOf.set(member.n, key)
    const sum = (of: (member: (typeof one.members)[number]) => number) => one.members.reduce((all, member) => all + of(member), 0)
    return {
      key,
      place,
      column,
      kind: one.kind,
      name: one.name,
      count: sum((member) => member.count),
      away: one.members.every((member) => member.away),
      queued: sum((member) => member.queued),
      inFlight: sum((member) => member.inFlight),
      rate: sum((member) => member.weight),
      loss: null,
    }
  })
}

function joined(side: Side, lines: readonly Line[], boxOf: ReadonlyMap<number, string>): Link[] {
  const all = new Map<string, Link>()
  for (const line of lines) {
    const [from, to] = [boxOf.get(line.from), boxOf.get(line.to)]
    if (from === undefined || to === undefined) continue
    const key = `${from} > ${to}`
    const before = all.get(key)
    all.set(key, { key, side, from, to, rate: (before?.rate ?? 0) + rateOfLine(line), last: (before?.last ?? 0) + line.last, loss: null })
  }
  return [...all.values()]
}

function withLosses(view: View, losses: readonly Loss[]): View {
  if (losses.length === 0) return view
  const atBox = new Map<string, Lost>()
  const onLink = new Map<string, Lost>()
  // The newest come first, and the newest reason is told.
  for (const loss of losses) {
    const reader = find(view.boxes, 'reader', loss.clientid)
    if (reader === undefined) continue
    const why = { kind: loss.reason, reason: loss.description, remedy: loss.remedy }
    if (!atBox.has(reader.key)) atBox.set(reader.key, why)
    const topic = loss.topic === null || loss.topic === undefined ? undefined : find(view.boxes, 'topic', loss.topic)
    const key = `${topic?.key ?? ''} > ${reader.key}`
    if (!onLink.has(key)) onLink.set(key, why)
  }
  return {
    ...view,
    boxes: view.boxes.map((box) => ({ ...box, loss: atBox.get(box.key) ?? null })),
    links: view.links.map((link) => ({ ...link, loss: onLink.get(link.key) ?? null })),
  }
}

function find(boxes: readonly Box[], place: Place, name: string): Box | undefined {
  const all = boxes.filter((box) => box.place === place)
  return all.find((box) => box.kind === 'one' && box.name === name) ?? all.find((box) => box.kind === 'alike' && name.startsWith(box.name)) ?? all.find((box) => box.kind === 'others')
}
