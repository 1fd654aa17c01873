// The page's client under load: what it shows and what it skipped are what was sent, no task of the main
// thread is long, typing answers, and the heap is bounded and flat.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { caller, signIn } from './page.js'
import { inWords, staysFlat, TASK_MS, typing, TYPING_MS, watched, watchTyping } from './vitals.js'

const RATE = 2000
const SETTLE_MS = 15_000
const PAYLOAD = '[data-mqtt=payload]'
const CLIENT = 'MQTT_FX_Client1'
/** A page that gets so little of the processor, and for how long. */
const STARVED = 20
const STARVED_SECS = 120

/** @param {import('playwright-core').Browser} browser @param {string} binary @param {{ seconds: number }} length */
export async function showLoad(browser, binary, { seconds }) {
  for (const bytes of [64, 4096]) await underLoad(browser, binary, { bytes, seconds, slower: 1 })
}

/** What a page cannot show it has to skip, and to count; and what it cannot even take the broker counts. @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showStarved(browser, binary) {
  await underLoad(browser, binary, { bytes: 4096, seconds: STARVED_SECS, slower: STARVED })
}

/**
 * `slower` is how many times the processor is, for the page alone.
 * @param {import('playwright-core').Browser} browser @param {string} binary @param {{ bytes: number, seconds: number, slower: number }} how
 */
async function underLoad(browser, binary, { bytes, seconds, slower }) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'zh', theme: 'light', width: 1366, height: 768 })
  /** @type {import('node:child_process').ChildProcess | null} */
  let sender = null
  try {
    await signIn(page, broker.page)
    await page.goto(`${broker.page}/mqtt-client`)
    await page.click('[data-mqtt=connect]')
    await page.fill('[data-mqtt=filter]', 'load')
    await page.click('[data-mqtt=subscribe]:enabled')
    await page.waitForSelector('.pane .filter')
    await watchTyping(page)
    const idle = await typing(page, PAYLOAD)
    const session = await page.context().newCDPSession(page)
    await session.send('Emulation.setCPUThrottlingRate', { rate: slower })

    const program = fileURLToPath(new URL('publisher.js', import.meta.url))
    const url = `mqtt://${broker.host}:${broker.mqtt}`
    const publisher = spawn('nice', ['-n', '10', process.execPath, program, url, 'load', String(bytes), String(RATE), String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] })
    sender = publisher
    let said = ''
    publisher.stdout.on('data', (part) => (said += part))
    const over = once(publisher, 'close')

    const work = await watched(page, { seconds, type: slower === 1 ? () => typing(page, PAYLOAD) : null })
    await over
    const sent = Number(said)
    // What is on its way to a page that is behind still comes.
    await session.send('Emulation.setCPUThrottlingRate', { rate: 1 })
    const call = await caller(broker.page, 'public')
    const { received, kept, skipped, dropped } = await settledFigures(page, sent, async () => (await call('GET', `/clients/${CLIENT}`))['send_msg.dropped'])
    console.log(
      `load: ${bytes} B${slower > 1 ? `, the page ${slower} times slower` : ''}, ${sent} sent in ${seconds} s; shown ${kept} + skipped ${skipped} = ${kept + skipped} (${sent}), received ${received}, dropped by the broker ${dropped}; ` +
        inWords(work, idle),
    )
    assert.ok(sent > 0.9 * RATE * seconds, `only ${sent} were sent`)
    assert.deepEqual({ came: received + dropped, accounted: kept + skipped }, { came: sent, accounted: received })
    if (slower === 1) assert.equal(dropped, 0)
    if (slower === 1) assert.ok(work.longestMs <= TASK_MS, `a task of ${work.longestMs} ms`)
    assert.ok(idle < TYPING_MS, `typing answered after ${idle} ms`)
    staysFlat(work.heaps)
    assert.deepEqual(faults, [])
  } finally {
    sender?.kill()
    await close()
    await broker.end()
  }
}

/**
 * When what was received, and what the broker dropped, is all that was sent.
 * @param {import('playwright-core').Page} page @param {number} sent @param {() => Promise<number>} lost
 */
async function settledFigures(page, sent, lost) {
  const read = async () => {
    const dropped = await lost()
    const figures = await page.evaluate(() => {
      const of = (/** @type {string} */ name) => Number((document.querySelector(`[data-count=${name}]`)?.textContent ?? '0').replaceAll(',', ''))
      return { received: of('received'), kept: of('kept'), skipped: of('skipped') }
    })
    return { ...figures, dropped }
  }
  const until = Date.now() + SETTLE_MS
  let figures = await read()
  while (figures.received + figures.dropped < sent && Date.now() < until) {
    await page.waitForTimeout(200)
    figures = await read()
  }
  return figures
}
