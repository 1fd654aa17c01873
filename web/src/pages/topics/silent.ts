// Topics with a retained message on which nobody publishes: the broker counts only what is published
// while somebody looks, but these are there, too.
import { below, type Branch, type Level } from './topic'

interface Below {
  topics: number
  isTopic: boolean
}

/** What is below each open branch, of a list of topics. */
export type Index = ReadonlyMap<string | null, ReadonlyMap<string, Below>>

export function indexed(topics: readonly string[], open: readonly string[]): Index {
  const index = new Map<string | null, Map<string, Below>>()
  for (const branch of [null, ...open]) {
    const prefix = below(branch, '')
    const names = new Map<string, Below>()
    for (const topic of topics) {
      if (!topic.startsWith(prefix)) continue
      const rest = topic.slice(prefix.length)
      const end = rest.indexOf('/')
      const name = end < 0 ? rest : rest.slice(0, end)
      const found = names.get(name) ?? { topics: 0, isTopic: false }
      found.topics += 1
      found.isTopic ||= end < 0
      names.set(name, found)
    }
    index.set(branch, names)
  }
  return index
}

/** A branch with those that are silent. */
export function withSilent(branch: Branch, index: Index): Branch {
  const names = index.get(branch.branch ?? null)
  if (names === undefined || names.size === 0) return branch
  const rest = new Map(names)
  const levels = branch.levels.map((level): Level => {
    const silent = rest.get(level.name)
    if (silent === undefined) return level
    rest.delete(level.name)
    const isTopic = level.is_topic || silent.isTopic
    return { ...level, is_topic: isTopic, retained: level.retained || silent.isTopic, topics: Math.max(level.topics, silent.topics) }
  })
  for (const [name, { topics, isTopic }] of rest) levels.push({ name, topics, rate: 0, count: 0, is_topic: isTopic, retained: isTopic })
  return { ...branch, levels }
}
