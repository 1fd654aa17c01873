// The page's client under load: what it shows and what it skipped are what was sent, no task of the main
// thread is long, typing answers, and the heap is bounded and flat.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { signIn } from './page.js'
import { traced } from './trace.js'

const RATE = 2000
const TASK_MS = 200
const TYPING_MS = 100
const HEAP_MB = 200
/** The heap of the last minute as a multiple of that of the second. */
const GROWTH = 1.1
const SETTLE_MS = 15_000
/** A trace of this length fits into the browser's buffer. */
const PIECE_SECS = 20
const MB = 1024 * 1024

/** @param {import('playwright-core').Browser} browser @param {string} binary @param {{ seconds: number }} length */
export async function showLoad(browser, binary, { seconds }) {
  for (const bytes of [64, 4096]) await underLoad(browser, binary, bytes, seconds)
}

/** @param {import('playwright-core').Browser} browser @param {string} binary @param {number} bytes @param {number} seconds */
async function underLoad(browser, binary, bytes, seconds) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'zh', theme: 'light', width: 1366, height: 768 })
  try {
    await signIn(page, broker.page)
    await page.goto(`${broker.page}/mqtt-client`)
    await page.click('[data-mqtt=connect]')
    await page.fill('[data-mqtt=filter]', 'load')
    await page.click('[data-mqtt=subscribe]:enabled')
    await page.waitForSelector('.pane .filter')
    await watchTyping(page)
    const idle = await typing(page)

    const program = fileURLToPath(new URL('publisher.js', import.meta.url))
    const url = `mqtt://${broker.host}:${broker.mqtt}`
    const publisher = spawn('nice', ['-n', '10', process.execPath, program, url, 'load', String(bytes), String(RATE), String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    publisher.stdout.on('data', (part) => (said += part))
    const over = once(publisher, 'close')

    let longest = 0
    let cpu = 0
    let busy = 0
    /** @type {number[]} */
    const heaps = []
    for (let left = seconds; left > 0; left -= PIECE_SECS) {
      const work = await traced(page, async () => {
        const until = Date.now() + Math.min(left, PIECE_SECS) * 1000
        busy = Math.max(busy, await typing(page))
        while (Date.now() < until) await page.waitForTimeout(Math.max(0, Math.min(1000, until - Date.now())))
      })
      longest = Math.max(longest, work.longestMs)
      cpu += work.cpuMs
      heaps.push(await heap(page))
    }
    await over
    const sent = Number(said)
    const figures = await settledFigures(page, sent)
    const minute = 60 / PIECE_SECS
    const [second, last] = [mean(heaps.slice(minute, 2 * minute)), mean(heaps.slice(-minute))]
    console.log(
      `load: ${bytes} B, ${sent} sent in ${seconds} s; shown ${figures.kept} + skipped ${figures.skipped} = ${figures.kept + figures.skipped}; ` +
        `longest task ${longest.toFixed(0)} ms CPU, ${((cpu / seconds) / 10).toFixed(0)} % of a core; typing ${idle.toFixed(0)} ms idle, ${busy.toFixed(0)} ms busy; ` +
        `heap ${heaps.map((one) => (one / MB).toFixed(0)).join(' ')} MB`,
    )
    assert.ok(sent > 0.9 * RATE * seconds, `only ${sent} were sent`)
    assert.equal(figures.kept + figures.skipped, sent)
    assert.ok(longest <= TASK_MS, `a task of ${longest} ms`)
    assert.ok(idle < TYPING_MS, `typing answered after ${idle} ms`)
    assert.ok(last <= HEAP_MB * MB, `a heap of ${last / MB} MB`)
    if (heaps.length >= 3 * minute) assert.ok(last <= GROWTH * second, `the heap grew from ${second / MB} to ${last / MB} MB`)
    assert.deepEqual(faults, [])
  } finally {
    await close()
    await broker.end()
  }
}

/**
 * When what was received is all that was sent.
 * @param {import('playwright-core').Page} page @param {number} sent
 */
async function settledFigures(page, sent) {
  const read = () =>
    page.evaluate(() => {
      const of = (/** @type {string} */ name) => Number((document.querySelector(`[data-count=${name}]`)?.textContent ?? '0').replaceAll(',', ''))
      return { received: of('received'), kept: of('kept'), skipped: of('skipped') }
    })
  const until = Date.now() + SETTLE_MS
  let figures = await read()
  while (figures.received < sent && Date.now() < until) {
    await page.waitForTimeout(200)
    figures = await read()
  }
  return figures
}

/** Records how long each key takes until its answer is painted. @param {import('playwright-core').Page} page */
async function watchTyping(page) {
  await page.evaluate(() => {
    const all = /** @type {number[]} */ ([])
    Object.assign(window, { answered: all })
    // Below 16 ms the browser tells nothing: that is quick.
    const options = /** @type {PerformanceObserverInit} */ ({ type: 'event', durationThreshold: 16, buffered: false })
    new PerformanceObserver((list) => all.push(...list.getEntries().filter((one) => one.name.startsWith('key') || one.name === 'input').map((one) => one.duration))).observe(options)
  })
}

/** The slowest answer to a key, in milliseconds. @param {import('playwright-core').Page} page */
async function typing(page) {
  await page.evaluate(() => /** @type {{ answered: number[] }} */ (Object.assign(window)).answered.splice(0))
  await page.focus('[data-mqtt=payload]')
  await page.keyboard.type('the quick brown fox', { delay: 60 })
  await page.waitForTimeout(300)
  return page.evaluate(() => /** @type {{ answered: number[] }} */ (Object.assign(window)).answered.reduce((a, b) => Math.max(a, b), 0))
}

/** @param {readonly number[]} all */
function mean(all) {
  return all.reduce((a, b) => a + b, 0) / Math.max(1, all.length)
}

/** Bytes in use, of the script's objects and of the buffers behind them. @param {import('playwright-core').Page} page */
async function heap(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const used = /** @type {{ usedSize: number, backingStorageSize?: number }} */ (await session.send('Runtime.getHeapUsage'))
  await session.detach()
  return used.usedSize + (used.backingStorageSize ?? 0)
}
