// Topics in whose names a text stands: those that the broker counts, and those that only have a retained message.
import { api, body } from '@/api'
import type { TreeRow } from '@/design/tree'

export interface FoundTopic extends TreeRow {
  /** The topic. */
  readonly key: string
  readonly rate: number
  readonly retained: boolean
}

export interface Found {
  readonly topics: readonly FoundTopic[]
  /** Others that fit, too. */
  readonly more: number
}

type Counted = { readonly topics: readonly { readonly topic: string; readonly rate: number }[]; readonly more: number }

export function searchTopics(text: string, signal: AbortSignal): Promise<Counted> {
  return body(api.GET('/api/v5/topic_tree/search', { params: { query: { text } }, signal }))
}

const names = new Intl.Collator(undefined, { numeric: true })

export function withRetained(counted: Counted, retained: readonly string[], text: string): Found {
  const wanted = text.toLowerCase()
  const kept = new Set(retained.filter((topic) => topic.toLowerCase().includes(wanted)))
  const rates = new Map(counted.topics.map(({ topic, rate }) => [topic, rate]))
  const all = [...new Set([...rates.keys(), ...kept])].sort(names.compare)
  return {
    topics: all.map((topic) => ({ key: topic, depth: 0, open: null, rate: rates.get(topic) ?? 0, retained: kept.has(topic) })),
    more: counted.more,
  }
}
