// Lines of a trace's file, as text or JSON, read into what happened when to whom.
import type { Column } from '@/design/table'
import { t } from '@/words'
import { exact } from '@/words/format'

export interface Event {
  /** Which line of those read it is. */
  readonly line: number
  /** Milliseconds since 1970; 0 for a line that is none of an event. */
  readonly at: number
  readonly client: string
  readonly peer: string
  readonly direction: 'in' | 'out' | 'none'
  /** The packet's name, or what else happened. */
  readonly packet: string
  readonly rest: string
}

/** A line of the file; null for what says only how the file was made. */
export function parse(text: string, line: number): Event | null {
  if (text === '' || text.startsWith('# trace')) return null
  const [at, who, what] = text.startsWith('{') ? ofJson(text) : ofText(text)
  const [, direction, packet = '', rest = ''] = /^(?:(IN|OUT) )?(\S+) ?(.*)$/su.exec(what) ?? []
  const split = who.lastIndexOf('@')
  return {
    line,
    at,
    client: who.slice(0, Math.max(0, split)),
    peer: who.slice(split + 1),
    direction: direction === 'IN' ? 'in' : direction === 'OUT' ? 'out' : 'none',
    packet,
    rest,
  }
}

type Parts = readonly [at: number, who: string, what: string]

function ofText(text: string): Parts {
  // A client id may have a bracket; what happened begins behind the last one that could end it.
  const found = /^(\d+) \[(.*?@[^\]@]*\]?:?\d*)\] (.*)$/su.exec(text)
  return found ? [Number(found[1]), found[2] ?? '', found[3] ?? ''] : [0, '', text]
}

function ofJson(text: string): Parts {
  try {
    const said: unknown = JSON.parse(text)
    const fields = new Map<string, unknown>(Object.entries(said as object))
    const part = (name: string) => String(fields.get(name) ?? '')
    const payload = fields.has('payload') ? ` payload(${part('payload_size')})=${part('payload')}` : ''
    return [Number(fields.get('at') ?? 0), `${part('clientid')}@${part('peer')}`, part('event') + payload]
  } catch {
    return [0, '', text]
  }
}

/** Whole lines of what was read so far, and the part behind them that has no end yet. */
export function lines(text: string): { whole: string[]; part: string } {
  const end = text.lastIndexOf('\n') + 1
  return { whole: text.slice(0, end).split('\n').slice(0, -1), part: text.slice(end) }
}

export function columns(): Column<Event>[] {
  return [
    { key: 'at', title: t('traces.at'), text: (event) => (event.at > 0 ? exact(event.at) : '') },
    { key: 'direction', title: t('traces.direction'), text: (event) => (event.direction === 'none' ? '' : t(`traces.${event.direction}`)) },
    { key: 'packet', title: t('traces.packet'), text: (event) => event.packet },
    { key: 'rest', title: t('traces.details'), long: true, text: (event) => event.rest },
    { key: 'client', title: t('client.id'), text: (event) => event.client },
    { key: 'peer', title: t('client.address'), text: (event) => event.peer },
  ]
}
