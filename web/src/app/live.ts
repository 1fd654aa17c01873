// The live feed: one stream for the whole page, open while somebody sees it and wants something from it.
// When it breaks off the broker is asked whether it is there, and the stream is opened again when it is.
import { onScopeDispose, reactive, readonly, watch } from 'vue'

import { listen } from '@/api/door'
import { Failure } from '@/api/failure'
import { lang } from '@/words'

import { api } from '../api'
import { reader } from './events'
import { FEED_OF, LASTING, type EventName, type Feeds } from './feeds'
import { heard, link } from './link'
import { isIn, session } from './session'

/** Figures come each second; after so long without a word the broker is asked whether it is there. */
const SILENCE_MS = 1_500
const WATCH_MS = 300
const PROBE_MS = 700
/** Before the next try after an end, and after a refusal such as that of one stream too many. */
const RETRY_MS = 500
const REFUSED_MS = 5_000
/** Of the past, at first: enough for a rate. */
const FIRST_SECS = 12
const SECS_MAX = 600
/** A page that is left and the next one are one change of what is wanted. */
const SETTLE_MS = 30

type Take = (data: never) => void

const state = reactive({ error: null as unknown })
/** Why there is no stream, where that is not an outage. */
export const live = readonly(state)

const takers = new Map<EventName, Set<Take>>()
const last = new Map<EventName, unknown>()
const CLOSED: { readonly open: readonly string[]; readonly topic: string | null } = { open: [], topic: null }
let view = CLOSED

let stream: { abort: AbortController; id: string; asked: string; isAsking: boolean; heardAt: number } | null = null
let figuresAt = 0
let settling: ReturnType<typeof setTimeout> | undefined
/** Feeds that nobody took for a moment. They tell what changes, and who takes them now has seen nothing of it. */
const dropped = new Set<string>()

/** Takes an event for as long as the component is there, and while `wanted` says so. */
export function useLive<E extends EventName>(event: E, take: (data: Feeds[E]) => void, wanted: () => boolean = () => true): void {
  const leave = (): void => {
    const those = takers.get(event)
    if (!those?.delete(take as Take)) return
    if (those.size === 0 && !LASTING.has(event)) dropped.add(FEED_OF[event])
    settle()
  }
  const join = (): void => {
    const those = takers.get(event) ?? new Set()
    takers.set(event, those.add(take as Take))
    const known = last.get(event)
    if (LASTING.has(event) && known !== undefined) take(known as Feeds[E])
    settle()
  }
  watch(wanted, (now) => (now ? join() : leave()), { immediate: true })
  onScopeDispose(leave)
}

/** Branches of the topic tree that are open besides the root, and the topic whose messages are shown. */
export function showTopics(open: readonly string[], topic: string | null): void {
  view = { open, topic }
  settle()
}

function feeds(): string {
  const wanted = [...takers].filter(([, those]) => those.size > 0).map(([event]) => FEED_OF[event])
  return [...new Set(wanted)].sort().join(',')
}

function settle(): void {
  clearTimeout(settling)
  settling = setTimeout(adapt, SETTLE_MS)
}

/** Makes the stream what is wanted now. */
function adapt(): void {
  const all = feeds()
  if (all === '' || document.hidden || !isIn.value) return close()
  if (stream === null) {
    if (link.isUp) void run(all)
    return
  }
  if (stream.id === '' || stream.isAsking) return
  // Given up first, so that they begin anew.
  const kept = all.split(',').filter((feed) => !dropped.has(feed)).join(',')
  if (kept === '') {
    close()
    settle()
  } else if (stream.asked !== request(kept)) {
    void change(stream, kept)
  } else {
    dropped.clear()
    if (stream.asked !== request(all)) void change(stream, all)
  }
}

function request(wanted: string, shown = view): string {
  return JSON.stringify({ feeds: wanted, ...shown })
}

async function change(of: NonNullable<typeof stream>, wanted: string): Promise<void> {
  of.asked = request(wanted)
  dropped.clear()
  // One change after the other: the broker could get two in any order.
  of.isAsking = true
  // What is wanted no more will be old when it is wanted again.
  for (const event of [...last.keys()]) if (!wanted.split(',').includes(FEED_OF[event])) last.delete(event)
  try {
    await api.POST('/api/v5/live/{id}', { params: { path: { id: of.id } }, body: { feeds: wanted, open: [...view.open], topic: view.topic } })
  } catch {
    // Whatever the reason is: a new stream is told at its beginning what is wanted.
    if (stream === of) close()
  }
  of.isAsking = false
  settle()
}

function close(): void {
  stream?.abort.abort()
  stream = null
  last.clear()
}

async function run(wanted: string): Promise<void> {
  // What is open follows when the stream has its number: a name may have any sign in it.
  const mine = { abort: new AbortController(), id: '', asked: request(wanted, CLOSED), isAsking: false, heardAt: Date.now() }
  stream = mine
  dropped.clear()
  try {
    const answer = await listen(new Request(address(wanted), { signal: mine.abort.signal }))
    state.error = null
    await read(answer, mine)
    if (mine.abort.signal.aborted) return
    stream = null
    await probe()
  } catch (error) {
    if (mine.abort.signal.aborted) return
    stream = null
    if (error instanceof Failure && error.status > 0) state.error = error
    else if (!(error instanceof Failure)) await probe()
  }
  setTimeout(settle, state.error === null ? RETRY_MS : REFUSED_MS)
}

function address(wanted: string): string {
  const away = Math.ceil((Date.now() - figuresAt) / 1_000) + 2
  const query = new URLSearchParams({
    feeds: wanted,
    last: String(figuresAt === 0 ? FIRST_SECS : Math.min(SECS_MAX, Math.max(FIRST_SECS, away))),
    lang: lang(),
  })
  return `${location.origin}/api/v5/live?${query.toString()}`
}

async function read(answer: Response, mine: NonNullable<typeof stream>): Promise<void> {
  const pieces = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  const events = reader()
  const watchdog = setInterval(() => void watchOver(mine), WATCH_MS)
  try {
    for (;;) {
      const piece = await pieces?.read()
      if (piece === undefined || piece.done || stream !== mine) return
      mine.heardAt = Date.now()
      heard(true)
      for (const { event, data } of events(piece.value)) told(event, data, mine)
    }
  } finally {
    clearInterval(watchdog)
  }
}

function told(event: string, data: string, mine: NonNullable<typeof stream>): void {
  if (event === 'feed') {
    mine.id = data
    settle()
    return
  }
  const known = event as EventName
  const value: unknown = JSON.parse(data)
  if (known === 'figures') figuresAt = Date.now()
  if (LASTING.has(known)) last.set(known, value)
  for (const take of takers.get(known) ?? []) take(value as never)
}

/** A broker that is frozen, or behind a cable that was pulled, ends no stream. */
async function watchOver(mine: NonNullable<typeof stream>): Promise<void> {
  if (stream !== mine || !mine.asked.includes('figures') || Date.now() - mine.heardAt < SILENCE_MS) return
  mine.heardAt = Date.now()
  if (await probe()) return
  if (stream === mine) close()
}

/** Asks whether the broker is there, and tells the rest of the page if not. */
async function probe(): Promise<boolean> {
  try {
    const answer = await fetch('/status', { cache: 'no-store', signal: AbortSignal.timeout(PROBE_MS) })
    if (answer.ok) return true
  } catch {
    // It is not.
  }
  heard(false)
  return false
}

document.addEventListener('visibilitychange', settle)
watch(() => [link.returns, session.person?.name, session.guest], settle)
watch(lang, () => {
  close()
  settle()
})
