// The broker's log: its last lines, read on from where the reading stopped.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { t, type Key } from '@/words'
import { exact, moment } from '@/words/format'

export type Line = Answer<'/api/v5/logs'>['data'][number]

export const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type Level = (typeof LEVELS)[number]

/** Lines that are kept here; the broker keeps as many. */
export const LINES_MAX = 1000

/** New lines, which come newest first, before those known. Numbers that begin anew are of a broker that did. */
export function joined(known: readonly Line[], fresh: readonly Line[]): readonly Line[] {
  const last = known[0]?.id ?? 0
  const added = fresh.filter((line) => line.id > last)
  return added.length === 0 ? known : [...added, ...known].slice(0, LINES_MAX)
}

export async function linesAfter(level: Level, after: number, signal: AbortSignal): Promise<readonly Line[]> {
  const query = { level, limit: LINES_MAX, ...(after > 0 ? { after } : {}) }
  return (await body(api.GET('/api/v5/logs', { params: { query }, signal }))).data
}

export function levelWord(level: string): Key {
  return `logs.${LEVELS.find((one) => one === level) ?? 'info'}`
}

export function columns(): Column<Line>[] {
  return [
    { key: 'at', title: t('logs.at'), text: (line) => `${day(line.time_stamp)}${exact(line.time_stamp)}` },
    { key: 'level', title: t('logs.level'), text: (line) => t(levelWord(line.level)) },
    { key: 'message', title: t('logs.message'), long: true, text: (line) => line.message },
  ]
}

/** The date before the time, for what is not of today. */
function day(millis: number): string {
  const at = moment(millis)
  return at.includes(' ') ? `${at.slice(0, at.indexOf(' '))} ` : ''
}
