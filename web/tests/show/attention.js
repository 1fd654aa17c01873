// Whatever may need attention is told on the page soon after it is the case, and is gone when it is cured.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import mqtt from 'mqtt'

import { startBroker, startBrokerUnder } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { certify, DISK_MB, fileOf, LONG_DAYS, memory, NEEDS } from './needs.js'
import { caller, signIn } from './page.js'

const LOOK = /** @type {const} */ ({ lang: 'zh', theme: 'light', width: 1366, height: 768 })
const SHOWN_MS = 5_000
/** Within which what is over is gone. */
const GONE_MS = 5_000

/** @typedef {import('playwright-core').Page} Page */

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showAttention(browser, binary) {
  await everyNeed(browser, binary)
  await crash(browser, binary)
}

/** @param {import('playwright-core').Browser} browser @param {string} binary */
async function everyNeed(browser, binary) {
  const room = await mkdtemp(join(tmpdir(), 'ternmq-attention-'))
  const [data, meminfo, file] = [join(room, 'data'), join(room, 'meminfo'), join(room, 'ternmq.toml')]
  await mkdir(data)
  await writeFile(meminfo, memory(20))
  await writeFile(file, fileOf(room))
  await certify(room, LONG_DAYS)
  // A disk of its own and a machine whose memory it is told of, which only this broker sees.
  const mounts = `mount -t tmpfs -o size=${DISK_MB}m tmpfs '${data}' && mount --bind '${meminfo}' /proc/meminfo && exec "$0" "$@"`
  const under = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', mounts]
  const broker = await startBrokerUnder(under, [binary, '--config', file], data)
  const { page, faults, close } = await openPage(browser, broker.page, LOOK)
  /** @type {import('mqtt').MqttClient[]} */
  const clients = []
  /** @type {Promise<void>[]} */
  const leaving = []
  try {
    const password = await defaultPassword(page, broker.page)
    const scene = {
      broker,
      call: await caller(broker.page, password),
      disk: join('/proc', String(broker.pid()), 'root', data),
      memory: meminfo,
      room,
      async client(/** @type {string} */ clientId, /** @type {import('mqtt').IClientOptions} */ options = {}) {
        const made = await mqtt.connectAsync(`mqtt://${broker.host}:${broker.mqtt}`, { clientId, reconnectPeriod: 0, ...options })
        made.on('error', () => undefined)
        clients.push(made)
        return made
      },
    }
    for (const [kind, { waits = 0, lasts = 0, provoke }] of Object.entries(NEEDS)) {
      const cure = await provoke(scene)
      const after = await shown(page, kind, waits)
      await cure()
      const over = gone(page, kind, lasts).then((ms) => console.log(`attention: ${kind}: shown after ${after} ms${waits > 0 ? `, of which ${waits} it has to last` : ''}; gone ${ms} ms after its cure`))
      // What goes wrong first is told.
      over.catch(() => undefined)
      leaving.push(over)
      // What is told on for a while is waited for with the others.
      if (lasts === 0) await over
    }
    await Promise.all(leaving)
    assert.deepEqual(faults, [])
  } finally {
    for (const one of clients) one.end(true)
    await close()
    await broker.end()
    await rm(room, { recursive: true, force: true })
  }
}

/** After how many milliseconds it is on the page. @param {Page} page @param {string} kind */
async function shown(page, kind, waits = 0) {
  const from = Date.now()
  const item = page.locator(`[data-attention=${kind}]`)
  while ((await item.count()) === 0) {
    const passed = Date.now() - from
    assert.ok(passed <= waits + SHOWN_MS, `${kind} is not shown after ${passed} ms`)
    // More than two are folded.
    await page.evaluate(() => document.querySelector(/** @type {'button'} */ ('section:has(> [aria-live]) > button[aria-expanded=false]'))?.click())
    await page.waitForTimeout(50)
  }
  return Date.now() - from
}

/** After how many milliseconds it is not there any more. @param {Page} page @param {string} kind */
async function gone(page, kind, lasts = 0) {
  const from = Date.now()
  await page.locator(`[data-attention=${kind}]`).waitFor({ state: 'detached', timeout: lasts + GONE_MS })
  return Date.now() - from
}

/** Of a broker that nobody has set up, until the page's own button has set a password. @param {Page} page @param {string} home */
async function defaultPassword(page, home) {
  await signIn(page, home)
  const after = await shown(page, 'default_password')
  await page.click('[data-attention=default_password] button')
  const phrase = await page.locator('#set-password input.mono').inputValue()
  await page.click('button[form=set-password]')
  await page.waitForSelector('dialog', { state: 'detached' })
  console.log(`attention: default_password: shown after ${after} ms; gone ${await gone(page, 'default_password')} ms after its cure`)
  return phrase
}

/**
 * Killed, and later ended in order.
 * @param {import('playwright-core').Browser} browser @param {string} binary
 */
async function crash(browser, binary) {
  const broker = await startBroker(binary)
  const { page, close } = await openPage(browser, broker.page, LOOK)
  try {
    await signIn(page, broker.page)
    await broker.kill()
    await broker.start()
    const after = await shown(page, 'recovered_after_crash')
    await broker.stop()
    await broker.start()
    console.log(`attention: recovered_after_crash: shown after ${after} ms; gone ${await gone(page, 'recovered_after_crash')} ms after its cure`)
  } finally {
    await close()
    await broker.end()
  }
}
