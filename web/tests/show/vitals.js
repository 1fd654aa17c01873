// How a page does that has much to do: its longest task, how soon it answers keys, how much it keeps.
import assert from 'node:assert/strict'

import { traced } from './trace.js'

export const TASK_MS = 200
export const TYPING_MS = 100
const HEAP_MB = 200
/** The heap of the last minute as a multiple of that of the second. */
const GROWTH = 1.1
/** A trace of this length fits into the browser's buffer. */
const PIECE_SECS = 20
const MB = 1024 * 1024
const TYPED = 'the quick brown fox'

/**
 * Watches a page that works for so many seconds, in pieces that fit into the browser's buffer of a trace.
 * @param {import('playwright-core').Page} page @param {{ seconds: number, type: (() => Promise<number>) | null }} how types, and gives the milliseconds until an answer
 */
export async function watched(page, { seconds, type }) {
  let longest = 0
  let cpu = 0
  let busy = 0
  /** @type {number[]} */
  const heaps = []
  for (let left = seconds; left > 0; left -= PIECE_SECS) {
    const work = await traced(page, async () => {
      const until = Date.now() + Math.min(left, PIECE_SECS) * 1000
      if (type !== null) busy = Math.max(busy, await type())
      while (Date.now() < until) await page.waitForTimeout(Math.max(0, Math.min(1000, until - Date.now())))
    })
    longest = Math.max(longest, work.longestMs)
    cpu += work.cpuMs
    heaps.push(await heap(page))
  }
  return { longestMs: longest, share: cpu / seconds / 1000, typingMs: busy, heaps }
}

/** Of the second minute and of the last, on average. @param {readonly number[]} heaps */
function minutes(heaps) {
  const minute = 60 / PIECE_SECS
  return { second: mean(heaps.slice(minute, 2 * minute)), last: mean(heaps.slice(-minute)), isLong: heaps.length >= 3 * minute }
}

/** The heap is bounded, and in the last minute about what it was in the second. @param {readonly number[]} heaps */
export function staysFlat(heaps) {
  const { second, last, isLong } = minutes(heaps)
  assert.ok(last <= HEAP_MB * MB, `a heap of ${last / MB} MB`)
  if (isLong) assert.ok(last <= GROWTH * second, `the heap grew from ${second / MB} to ${last / MB} MB`)
}

/** What was measured, beside what is wanted. @param {Awaited<ReturnType<typeof watched>>} work @param {number} idle of typing, in milliseconds */
export function inWords({ longestMs, share, typingMs, heaps }, idle) {
  const { second, last, isLong } = minutes(heaps)
  const growth = isLong ? `${(last / second).toFixed(2)} times that of the second (<= ${GROWTH})` : 'too short a time to compare'
  return (
    `longest task ${longestMs.toFixed(0)} ms CPU (<= ${TASK_MS}), ${(share * 100).toFixed(0)} % of a core; typing answers after ${idle.toFixed(0)} ms idle (< ${TYPING_MS})` +
    `${typingMs === 0 ? '' : `, ${typingMs.toFixed(0)} ms busy`}; heap of the last minute ${(last / MB).toFixed(0)} MB (<= ${HEAP_MB}), ${growth}: ${heaps.map((one) => (one / MB).toFixed(0)).join(' ')}`
  )
}

/** @param {readonly number[]} all */
function mean(all) {
  return all.reduce((a, b) => a + b, 0) / Math.max(1, all.length)
}

/** Records how long each key takes until its answer is painted. @param {import('playwright-core').Page} page */
export async function watchTyping(page) {
  await page.evaluate(() => {
    const answered = /** @type {number[]} */ ([])
    Object.assign(window, { answered })
    // What is due behind the next frame comes when that is painted.
    const painted = (/** @type {() => void} */ then) => requestAnimationFrame(() => setTimeout(then))
    addEventListener('keydown', ({ timeStamp }) => painted(() => answered.push(performance.now() - timeStamp)), { capture: true })
  })
}

/** The slowest answer to a key in a field, in milliseconds. @param {import('playwright-core').Page} page @param {string} field */
export async function typing(page, field) {
  await page.evaluate(() => /** @type {{ answered: number[] }} */ (Object.assign(window)).answered.splice(0))
  await page.focus(field)
  await page.keyboard.type(TYPED, { delay: 60 })
  const all = await page.waitForFunction((keys) => {
    const { answered } = /** @type {{ answered: number[] }} */ (Object.assign(window))
    return answered.length >= keys ? answered : null
  }, TYPED.length)
  assert.ok((await page.inputValue(field)).includes(TYPED), 'what was typed is not in the field')
  return ((await all.jsonValue()) ?? []).reduce((a, b) => Math.max(a, b), 0)
}

/** Bytes in use, of the script's objects and of the buffers behind them. @param {import('playwright-core').Page} page */
export async function heap(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const used = /** @type {{ usedSize: number, backingStorageSize?: number }} */ (await session.send('Runtime.getHeapUsage'))
  await session.detach()
  return used.usedSize + (used.backingStorageSize ?? 0)
}
