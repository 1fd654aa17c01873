// Rules of topic rewrite as the API gives them, and what they make of a topic.
import { api, body, type Answer } from '@/api'
import { ordered } from '@/design/ordered'
import type { Column } from '@/design/table'
import { matches } from '@/mqtt/filter'
import { t } from '@/words'

export type Rule = Answer<'/api/v5/mqtt/topic_rewrite'>[number]
export type Action = Rule['action']

export const ACTIONS: readonly Action[] = ['all', 'publish', 'subscribe']
export const RULES_MAX = 20

export function loadRules(signal?: AbortSignal): Promise<readonly Rule[]> {
  return body(api.GET('/api/v5/mqtt/topic_rewrite', { signal: signal ?? null }))
}

export const rules = ordered(loadRules, (all: Rule[]) => api.PUT('/api/v5/mqtt/topic_rewrite', { body: all }))

export const FRESH: Rule = { action: 'all', source_topic: '', re: '', dest_topic: '' }

export type Trial =
  | { readonly rule: number; readonly topic: string }
  /** No rule is for it. */
  | 'same'
  /** A browser does not read the expression of a rule on the way. */
  | 'unclear'

export interface Who {
  readonly clientid: string
  readonly username: string
}

/** What the first rule that is for it makes of a topic. */
export function tried(all: readonly Rule[], action: 'publish' | 'subscribe', topic: string, who: Who): Trial {
  for (const [at, rule] of all.entries()) {
    if ((rule.action !== 'all' && rule.action !== action) || !matches(rule.source_topic, topic)) continue
    let found: RegExpExecArray | null
    try {
      found = new RegExp(rule.re, 'u').exec(topic)
    } catch {
      return 'unclear'
    }
    if (found) return { rule: at + 1, topic: filled(rule.dest_topic, found, who) }
  }
  return 'same'
}

function filled(dest: string, found: RegExpExecArray, who: Who): string {
  return dest.replace(/\$\{(clientid|username)\}|\$(\d)/g, (_whole, name: string | undefined, group: string | undefined) => {
    if (name === 'clientid') return who.clientid
    if (name === 'username') return who.username
    return found[Number(group)] ?? ''
  })
}

export interface Row {
  /** From 1. */
  readonly number: number
  readonly rule: Rule
}

export function columns(): Column<Row>[] {
  return [
    { key: 'number', title: t('rewrite.number'), numeric: true, text: (r) => String(r.number) },
    { key: 'action', title: t('rewrite.action'), text: (r) => t(`rewrite.for.${r.rule.action}`) },
    { key: 'source', title: t('subscription.filter'), text: (r) => r.rule.source_topic },
    { key: 're', title: t('rewrite.re'), text: (r) => r.rule.re },
    { key: 'dest', title: t('rewrite.dest'), text: (r) => r.rule.dest_topic },
  ]
}
