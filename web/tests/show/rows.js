// Pages whose lists have a thousand rows: the work of the main thread until they are shown.
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'

import mqtt from 'mqtt'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { PAGES } from '../walk/pages.js'
import { caller, open, PASSWORD, setPassword, signIn } from './page.js'
import { traced } from './trace.js'

const ROWS = 1000
const OPEN_MS = 300
/** What is larger is lost, so that losses have rows, too; the broker lists some of each second. */
const PACKET_MAX = 100
const AGAIN_MS = 250
const AT_ONCE = 50
/** Topics that can be counted apart. */
const METRICS = 512
/** Lists that have a row for each of a thousand, or as many as there may be; a page shows so many of them. */
const FULL = new Set([
  '/audit',
  '/authorization?of=clients',
  '/authorization?of=users',
  '/bans',
  '/clients',
  '/connection-log',
  '/delayed',
  '/losses',
  '/mqtt-users',
  '/retained',
  '/subscriptions',
  '/topic-metrics',
])
const PAGE = 100
/** Of the explorer, which draws those that are in sight. */
const TREE = '/topics?open=/rows'
const IN_SIGHT = 10

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showRows(browser, binary) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'zh', theme: 'light', width: 1366, height: 768 })
  /** @type {import('mqtt').MqttClient[]} */
  const clients = []
  try {
    await setPassword(broker.page)
    const call = await caller(broker.page)
    await inPieces((n) => one(broker, n), ROWS, clients)
    await furnish(call, clients)
    await lose(call, clients)
    await signIn(page, broker.page, PASSWORD)
    /** @type {string[]} */
    const slow = []
    for (const path of [...new Set([...PAGES, ...FULL, TREE])].filter((other) => other !== '/')) {
      const begin = Date.now()
      let wall = 0
      const { cpuMs } = await traced(page, async () => {
        await open(page, path)
        if (FULL.has(path)) await drawn(page, 'main tbody tr', PAGE)
        if (path === TREE) await drawn(page, '[role=treeitem][aria-level="2"]', IN_SIGHT)
        wall = Date.now() - begin
      })
      const rows = await page.locator('main :is(tbody tr, [role=treeitem])').count()
      console.log(`rows: ${path}${FULL.has(path) || path === TREE ? `, ${path === '/topic-metrics' ? METRICS : ROWS} in the list` : ''}: ${cpuMs.toFixed(0)} ms CPU (<= ${OPEN_MS}), ${wall} ms until settled, ${rows} rows drawn`)
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

/** @param {import('playwright-core').Page} page @param {string} what @param {number} least */
function drawn(page, what, least) {
  return page.waitForFunction(([selector, n]) => document.querySelectorAll(selector).length >= n, /** @type {const} */ ([what, least]))
}

/**
 * Not all at once. @template T
 * @param {(n: number) => Promise<T>} make @param {number} many @param {T[]} [all] where they are kept as they come
 */
async function inPieces(make, many, all = []) {
  for (let from = 0; from < many; from += AT_ONCE) {
    all.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, many - from) }, (_, at) => make(from + at)))))
  }
}

/** What an administrator has a thousand of; the audit log has them all. @param {import('./page.js').Call} call @param {import('mqtt').MqttClient[]} clients */
async function furnish(call, clients) {
  const names = Array.from({ length: ROWS }, (_, n) => `somebody-${n}`)
  const rules = [{ permission: 'allow', action: 'subscribe', topic: 'rows/#' }]
  const built = '/authorization/sources/built_in_database/rules'
  await call('POST', '/authentication?anonymous=keep', { mechanism: 'password_based', backend: 'built_in_database', password_hash_algorithm: { name: 'sha256', salt_position: 'prefix' } })
  await call('POST', '/authentication/password_based:built_in_database/import_users?type=plain', names.map((user_id) => ({ user_id, password: user_id })))
  await call('POST', `${built}/users`, names.map((username) => ({ username, rules })))
  await call('POST', `${built}/clients`, names.map((clientid) => ({ clientid, rules })))
  await inPieces((n) => call('POST', '/banned', { as: 'clientid', who: `banned-${n}`, reason: 'one of many' }), ROWS)
  await inPieces((n) => call('POST', '/mqtt/topic_metrics', { topic: `rows/${n}` }), METRICS)
  await inPieces(async (n) => clients[n]?.publishAsync(`$delayed/600/rows/${n}`, 'x', { qos: 1 }), ROWS)
}

/** Until as many losses are listed. @param {import('./page.js').Call} call @param {import('mqtt').MqttClient[]} clients */
async function lose(call, clients) {
  const listed = async () => (await call('GET', '/losses?limit=1')).meta.count
  for (let round = 0; (await listed()) < ROWS; round += 1) {
    const some = clients.slice((round * AT_ONCE) % ROWS).slice(0, AT_ONCE)
    await Promise.all(some.map((client, at) => client.publishAsync(`rows/${(round * AT_ONCE + at) % ROWS}`, 'x'.repeat(PACKET_MAX), { qos: 1 })))
    await setTimeout(AGAIN_MS)
  }
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
  return client
}
