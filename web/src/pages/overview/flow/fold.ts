// A column of many nodes as one of few: those whose names begin alike are one, the least busy are the
// others. What is one stays one while rates waver.
export interface Foldable {
  /** Empty for those that the broker calls the others. */
  readonly name: string
  readonly count: number
  readonly weight: number
}

export interface Fold<T> {
  readonly kind: 'one' | 'alike' | 'others'
  /** The name, or what the names begin with. */
  readonly name: string
  readonly members: readonly T[]
}

export function fold<T extends Foldable>(all: readonly T[], max: number): Fold<T>[] {
  const named = all.filter((one) => one.name !== '')
  const nameless = all.filter((one) => one.name === '')
  const room = nameless.length > 0 ? max - 1 : max
  const ways = [(name: string) => name, ...PARTS.map((parts) => (name: string) => beginning(name, parts))]
  const way = ways.find((one) => new Set(named.map(({ name }) => one(name))).size <= room) ?? coarsest
  const groups = grouped(named, way)
  const isTooMany = groups.length > room
  // About as busy is as good, so that a little more or less puts nobody among the others.
  const about = (members: readonly T[]) => Math.floor(Math.log2(1 + members.reduce((sum, one) => sum + one.weight, 0)))
  const chosen = isTooMany ? groups.toSorted(([a, as], [b, bs]) => about(bs) - about(as) || (a < b ? -1 : 1)).slice(0, max - 1) : groups
  const kept = new Set(chosen.map(([name]) => name))
  const others = [...groups.filter(([name]) => !kept.has(name)).flatMap(([, members]) => members), ...nameless]
  return [...chosen.map(([name, members]) => whole(name, members)), ...(others.length > 0 ? [{ kind: 'others' as const, name: '', members: others }] : [])]
}

function grouped<T extends Foldable>(all: readonly T[], way: (name: string) => string): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const name = way(one.name)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [one])
    else group.push(one)
  }
  return [...groups]
}

function whole<T extends Foldable>(name: string, members: readonly T[]): Fold<T> {
  const [first] = members
  if (members.length > 1 || first === undefined) return { kind: 'alike', name, members }
  return { kind: first.count > 1 ? 'alike' : 'one', name: first.name, members }
}

/** How many parts of a name are looked at, the most first. */
const PARTS = [Infinity, 5, 4, 3, 2, 1]
const ENDS = '/-_.:@'

/** What a name begins with: so many parts, but never all; `dev-7-a` is one of `dev-7-`, then of `dev-`, and `pump12` of `pump`. */
function beginning(name: string, parts: number): string {
  let length = name.length
  while (length > 0 && ENDS.includes(name.charAt(length - 1))) length -= 1
  let at = 0
  // A name may begin with such a sign, as `/lab/x` does.
  while (at < length && ENDS.includes(name.charAt(at))) at += 1
  let end = 0
  for (let left = parts; at < length && left > 0; at += 1) {
    if (!ENDS.includes(name.charAt(at))) continue
    end = at + 1
    left -= 1
  }
  return end > 0 ? name.slice(0, end) : withoutNumber(name)
}

function coarsest(name: string): string {
  return beginning(name, 1)
}

function withoutNumber(name: string): string {
  return name.replace(/\d+$/, '') || name
}
