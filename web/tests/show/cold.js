// The first visit, in Chinese, with nothing in the cache: how many bytes until the overview's first live
// figure, and after how long the page answers, as it is and on a slow machine behind a slow network.
import assert from 'node:assert/strict'

import { startBroker } from '../walk/broker.js'
import { PASSWORD, setPassword, signIn } from './page.js'

const BYTES_MAX = 300 * 1024
const CPU_TIMES = 4
const NETWORK_MBIT = 10
const LATENCY_MS = 10
const READY_MS = 1000
const SLOW_READY_MS = 3000
/** The median of so many visits, because a wall clock tells of other programs, too. */
const VISITS = 5

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showCold(browser, binary) {
  const broker = await startBroker(binary)
  try {
    await setPassword(broker.page)
    const first = await browser.newContext({ locale: 'zh-CN' })
    await signIn(await first.newPage(), broker.page, PASSWORD)
    const state = await first.storageState()
    await first.close()

    for (const isSlow of [false, true]) {
      const visits = []
      for (let n = 0; n < VISITS; n += 1) visits.push(await visit(browser, broker.page, state, isSlow))
      const ready = visits.map((one) => one.readyMs).sort((a, b) => a - b)[VISITS >> 1] ?? 0
      const bytes = Math.max(...visits.map((one) => one.bytes))
      console.log(
        `cold: ${isSlow ? `${CPU_TIMES}x CPU, ${NETWORK_MBIT} Mbit/s` : 'as it is'}: ${(bytes / 1024).toFixed(0)} KB (<= ${BYTES_MAX / 1024}) in ${visits[0]?.names.length} requests, ` +
          `interactive after ${ready.toFixed(0)} ms (<= ${isSlow ? SLOW_READY_MS : READY_MS}), the median of ${visits.map((one) => one.readyMs.toFixed(0)).join(' ')}; without mqtt.js`,
      )
      assert.ok(bytes <= BYTES_MAX, `${bytes} bytes`)
      for (const { names } of visits) assert.ok(!names.some(isClient), `loaded: ${names.join(' ')}`)
      assert.ok(ready <= (isSlow ? SLOW_READY_MS : READY_MS), `interactive after ${ready} ms`)
    }
    assert.ok((await ofClient(browser, broker.page, state)).some(isClient), 'mqtt.js is not known by its name')
  } finally {
    await broker.end()
  }
}

/** Whether a file is mqtt.js. @param {string} name */
function isClient(name) {
  return /\/mqtt\.[^/]*\.js$/.test(name)
}

/**
 * What the page's client loads when it connects: so that it is seen where it is.
 * @param {import('playwright-core').Browser} browser @param {string} home @param {State} state
 */
async function ofClient(browser, home, state) {
  const context = await browser.newContext({ storageState: state })
  const page = await context.newPage()
  /** @type {string[]} */
  const names = []
  page.on('request', (request) => names.push(new URL(request.url()).pathname))
  await page.goto(`${home}/mqtt-client`)
  await page.click('[data-mqtt=connect]')
  await page.waitForSelector('[data-mqtt=disconnect]')
  await context.close()
  return names
}

/**
 * @typedef {Awaited<ReturnType<import('playwright-core').BrowserContext['storageState']>>} State
 * @param {import('playwright-core').Browser} browser @param {string} home @param {State} state @param {boolean} isSlow
 */
async function visit(browser, home, state, isSlow) {
  const context = await browser.newContext({ locale: 'zh-CN', storageState: state })
  const page = await context.newPage()
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  if (isSlow) {
    const throughput = (NETWORK_MBIT * 1_000_000) / 8
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: LATENCY_MS, downloadThroughput: throughput, uploadThroughput: throughput })
    await session.send('Emulation.setCPUThrottlingRate', { rate: CPU_TIMES })
  }
  /** Heads and bodies of what is over, bodies so far of what goes on. @type {Map<string, number>} */
  const bytes = new Map()
  /** @type {string[]} */
  const names = []
  session.on('Network.requestWillBeSent', ({ request }) => names.push(new URL(request.url).pathname))
  session.on('Network.responseReceived', ({ requestId, response }) => bytes.set(requestId, response.encodedDataLength))
  session.on('Network.dataReceived', ({ requestId, encodedDataLength }) => bytes.set(requestId, (bytes.get(requestId) ?? 0) + encodedDataLength))
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => bytes.set(requestId, encodedDataLength))
  await page.addInitScript(() => {
    const look = new MutationObserver(() => {
      if (!/\d/.test(document.querySelector('[data-figure=in]')?.textContent ?? '')) return
      look.disconnect()
      // Painted, and with nothing left to do: a key would be answered now.
      requestAnimationFrame(() => requestIdleCallback(() => Object.assign(window, { readyAt: performance.now() })))
    })
    look.observe(document, { childList: true, subtree: true, characterData: true })
  })
  await page.goto(home)
  await page.waitForFunction(() => 'readyAt' in window)
  const readyMs = await page.evaluate(() => /** @type {{ readyAt: number }} */ (Object.assign(window)).readyAt)
  const total = [...bytes.values()].reduce((a, b) => a + b, 0)
  await context.close()
  return { bytes: total, readyMs, names }
}
