// What the live feed tells, by the names of its events.
import type { Answer } from '@/api'

export interface Feeds {
  /** The seconds that are over since the last one. */
  figures: readonly Answer<'/api/v5/monitor_seconds'>[number][]
  current: Answer<'/api/v5/monitor_current'>
  clients: { readonly connected: number; readonly sessions: number }
  attention: Answer<'/api/v5/attention'>
  /** New entries, the newest first. */
  connections: readonly Answer<'/api/v5/connection_log'>['data'][number][]
  losses: readonly Answer<'/api/v5/losses'>['data'][number][]
  picture: PictureChange
  /** The root and the branches that are open. */
  topics: readonly Answer<'/api/v5/topic_tree'>[]
  messages: { readonly topic: string; readonly messages: Answer<'/api/v5/topic_tree/messages'> }
}

export type EventName = keyof Feeds

export type ColumnName = 'publisher' | 'topic' | 'client' | 'group'

export interface PictureNode {
  readonly n: number
  readonly column: ColumnName
  /** The name of one, what the names of several begin with, or nothing for all the others. */
  readonly name: string
  readonly count: number
  readonly away?: boolean
  readonly queued?: number
  readonly in_flight?: number
}

/** From, to, and the messages of the last second; null when the line is gone. */
export type PictureLine = readonly [number, number, number | null]

/** What changed in the flow picture since the last second. */
export interface PictureChange {
  /** Nothing of before belongs to it. */
  readonly whole?: boolean
  readonly millis: number
  readonly nodes?: readonly PictureNode[]
  readonly gone?: readonly number[]
  readonly in?: readonly PictureLine[]
  readonly out?: readonly PictureLine[]
}

/** Which feed has an event. */
export const FEED_OF: Readonly<Record<EventName, string>> = {
  figures: 'figures',
  current: 'figures',
  clients: 'clients',
  attention: 'attention',
  connections: 'connections',
  losses: 'losses',
  picture: 'picture',
  topics: 'topics',
  messages: 'topics',
}

/** Events that tell how something is, not what is new of it: whoever comes later gets the last one. */
export const LASTING: ReadonlySet<EventName> = new Set(['current', 'clients', 'attention', 'topics', 'messages'])
