// What the page remembers between visits: topics used lately, favourites, templates of messages.
import { reactive, watch } from 'vue'

import { draftOf, type Draft } from './draft'
import { list, record, text } from './reading'

/** Topics are published to, filters subscribed. */
export type Kind = 'topic' | 'filter'

export interface Template {
  readonly name: string
  readonly draft: Draft
}

interface Memory {
  recent: Record<Kind, string[]>
  favourite: Record<Kind, string[]>
  templates: Template[]
}

const KEPT = 'ternmq-mqtt-memory'
const RECENT_KEPT = 12

export function recalled(kept: string | null): Memory {
  let read: unknown = null
  try {
    read = JSON.parse(kept ?? 'null')
  } catch {
    // What is no JSON is nothing that was kept.
  }
  const given = record(read)
  const names = (one: unknown) => ({ topic: texts(record(one).topic), filter: texts(record(one).filter) })
  return {
    recent: names(given.recent),
    favourite: names(given.favourite),
    templates: list(given.templates).flatMap((one) => {
      const name = text(record(one).name)
      return name === '' ? [] : [{ name, draft: draftOf(record(one).draft) }]
    }),
  }
}

function texts(given: unknown): string[] {
  return list(given).filter((one) => typeof one === 'string')
}

export const memory = reactive(recalled(localStorage.getItem(KEPT)))
watch(memory, () => localStorage.setItem(KEPT, JSON.stringify(memory)))

export function used(kind: Kind, name: string): void {
  if (memory.recent[kind][0] === name) return
  memory.recent[kind] = [name, ...memory.recent[kind].filter((one) => one !== name)].slice(0, RECENT_KEPT)
}

export function toggleFavourite(kind: Kind, name: string): void {
  const all = memory.favourite[kind]
  memory.favourite[kind] = all.includes(name) ? all.filter((one) => one !== name) : [...all, name]
}

/** A template of the same name is replaced. */
export function keepTemplate(name: string, draft: Draft): void {
  memory.templates = [...memory.templates.filter((one) => one.name !== name), { name, draft }].sort((a, b) => a.name.localeCompare(b.name))
}

export function forgetTemplate(name: string): void {
  memory.templates = memory.templates.filter((one) => one.name !== name)
}
