// Pages with a thousand rows: the work of the main thread until they are shown.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { PAGES } from '../walk/pages.js'
import { open, PASSWORD, setPassword, signIn } from './page.js'
import { traced } from './trace.js'

const ROWS = 1000
const OPEN_MS = 300
/** What is larger is lost, so that losses have rows, too. */
const PACKET_MAX = 100
const AT_ONCE = 50
/** Lists that have a row for each client, of which a page shows so many. */
const FULL = new Set(['/clients', '/connection-log', '/losses', '/retained', '/subscriptions'])
const PAGE = 100

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showRows(browser, binary) {
  const broker = await startBroker(binary)
  const clients = await fill(broker)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'zh', theme: 'light', width: 1366, height: 768 })
  try {
    await setPassword(broker.page)
    await signIn(page, broker.page, PASSWORD)
    /** @type {string[]} */
    const slow = []
    for (const path of PAGES.filter((one) => one !== '/')) {
      const begin = Date.now()
      let wall = 0
      const { cpuMs } = await traced(page, async () => {
        await open(page, path)
        if (FULL.has(path)) await page.waitForFunction((rows) => document.querySelectorAll('main tbody tr').length >= rows, PAGE)
        wall = Date.now() - begin
      })
      const rows = await page.locator('main tbody tr').count()
      console.log(`rows: ${path}: ${cpuMs.toFixed(0)} ms CPU, ${wall} ms until settled, ${rows} rows drawn`)
      if (cpuMs > OPEN_MS) slow.push(path)
    }
    assert.deepEqual(slow, [], `more than ${OPEN_MS} ms`)
    assert.deepEqual(faults, [])
  } finally {
    for (const client of clients) client.end(true)
    await close()
    await broker.end()
  }
}

/** @param {{ host: string, mqtt: number }} broker */
async function fill(broker) {
  /** @type {import('mqtt').MqttClient[]} */
  const all = []
  for (let from = 0; from < ROWS; from += AT_ONCE) {
    all.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => one(broker, from + at)))))
  }
  return all
}

/** @param {{ host: string, mqtt: number }} broker @param {number} n */
async function one(broker, n) {
  const client = await mqtt.connectAsync(`mqtt://${broker.host}:${broker.mqtt}`, {
    clientId: `row-${n}`,
    username: `user-${n}`,
    protocolVersion: 5,
    reconnectPeriod: 0,
    properties: { maximumPacketSize: PACKET_MAX },
  })
  client.on('error', () => undefined)
  await client.subscribeAsync(`rows/${n}`)
  await client.publishAsync(`rows/${n}`, `{"n":${n}}`, { qos: 1, retain: true })
  await client.publishAsync(`rows/${n}`, 'x'.repeat(PACKET_MAX), { qos: 1 })
  return client
}
