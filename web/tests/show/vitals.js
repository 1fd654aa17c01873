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

/**
 * Watches a page that works for so many seconds, in pieces that fit into the browser's buffer of a trace.
 * @param {import('playwright-core').Page} page @param {{ seconds: number, field: string | null }} how the field that is typed into
 */
export async function watched(page, { seconds, field }) {
  let longest = 0
  let cpu = 0
  let busy = 0
  /** @type {number[]} */
  const heaps = []
  for (let left = seconds; left > 0; left -= PIECE_SECS) {
    const work = await traced(page, async () => {
      const until = Date.now() + Math.min(left, PIECE_SECS) * 1000
      if (field !== null) busy = Math.max(busy, await typing(page, field))
      while (Date.now() < until) await page.waitForTimeout(Math.max(0, Math.min(1000, until - Date.now())))
    })
    longest = Math.max(longest, work.longestMs)
    cpu += work.cpuMs
    heaps.push(await heap(page))
  }
  return { longestMs: longest, share: cpu / seconds / 1000, typingMs: busy, heaps }
}

/** The heap is bounded, and in the last minute about what it was in the second. @param {readonly number[]} heaps */
export function staysFlat(heaps) {
  const minute = 60 / PIECE_SECS
  const [second, last] = [mean(heaps.slice(minute, 2 * minute)), mean(heaps.slice(-minute))]
  assert.ok(last <= HEAP_MB * MB, `a heap of ${last / MB} MB`)
  if (heaps.length >= 3 * minute) assert.ok(last <= GROWTH * second, `the heap grew from ${second / MB} to ${last / MB} MB`)
}

/** @param {readonly number[]} heaps */
export function inMegabytes(heaps) {
  return `heap ${heaps.map((one) => (one / MB).toFixed(0)).join(' ')} MB`
}

/** @param {readonly number[]} all */
function mean(all) {
  return all.reduce((a, b) => a + b, 0) / Math.max(1, all.length)
}

/** Records how long each key takes until its answer is painted. @param {import('playwright-core').Page} page */
export async function watchTyping(page) {
  await page.evaluate(() => {
    const all = /** @type {number[]} */ ([])
    Object.assign(window, { answered: all })
    // Below 16 ms the browser tells nothing: that is quick.
    const options = /** @type {PerformanceObserverInit} */ ({ type: 'event', durationThreshold: 16, buffered: false })
    new PerformanceObserver((list) => all.push(...list.getEntries().filter((one) => one.name.startsWith('key') || one.name === 'input').map((one) => one.duration))).observe(options)
  })
}

/** The slowest answer to a key in a field, in milliseconds. @param {import('playwright-core').Page} page @param {string} field */
export async function typing(page, field) {
  await page.evaluate(() => /** @type {{ answered: number[] }} */ (Object.assign(window)).answered.splice(0))
  await page.focus(field)
  await page.keyboard.type('the quick brown fox', { delay: 60 })
  await page.waitForTimeout(300)
  return page.evaluate(() => /** @type {{ answered: number[] }} */ (Object.assign(window)).answered.reduce((a, b) => Math.max(a, b), 0))
}

/** Bytes in use, of the script's objects and of the buffers behind them. @param {import('playwright-core').Page} page */
export async function heap(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const used = /** @type {{ usedSize: number, backingStorageSize?: number }} */ (await session.send('Runtime.getHeapUsage'))
  await session.detach()
  return used.usedSize + (used.backingStorageSize ?? 0)
}
