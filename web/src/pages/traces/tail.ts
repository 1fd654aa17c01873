// Reads on in a trace's file: from near its end, then whatever is added.
import { api, body } from '@/api'

import { lines, parse, type Event } from './event'

const CHUNK = 256 * 1024
/** As far back as is read of a long file; all of it can be downloaded. */
const BACK = 1024 * 1024
/** Events that are kept. */
export const EVENTS_MAX = 2000

export interface Tail {
  /** Newest first. */
  readonly events: readonly Event[]
  /** There are older ones that are not shown. */
  readonly isCut: boolean
}

/** Each call reads what came since the one before. */
export function tailOf(name: string): (signal: AbortSignal) => Promise<Tail> {
  let position = -1
  let part = ''
  let count = 0
  let events: readonly Event[] = []
  let isCut = false

  async function begin(signal: AbortSignal): Promise<void> {
    const [detail] = await body(api.GET('/api/v5/trace/{name}/log_detail', { params: { path: { name } }, signal }))
    position = Math.max(0, (detail?.size ?? 0) - BACK)
    isCut = position > 0
    // The first line is not whole then, and is passed over with what stands here before it.
    part = isCut ? '# trace' : ''
  }

  return async (signal) => {
    if (position < 0) await begin(signal)
    for (;;) {
      const params = { path: { name }, query: { position, bytes: CHUNK } }
      const { items, meta } = await body(api.GET('/api/v5/trace/{name}/log', { params, signal }))
      const read = lines(part + items)
      part = read.part
      position = meta.position
      const fresh = read.whole.flatMap((text) => parse(text, (count += 1)) ?? [])
      if (fresh.length > 0) events = [...fresh.reverse(), ...events].slice(0, EVENTS_MAX)
      if (count > EVENTS_MAX) isCut = true
      // Near its bound a part is full; the file may go on.
      if (meta.bytes < CHUNK / 2) return { events, isCut }
    }
  }
}
