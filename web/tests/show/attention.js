// Whatever may need attention is told on the page soon after it is the case, and is gone when it is cured.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import mqtt from 'mqtt'

import { startBroker, startBrokerUnder } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { certify, DISK_MB, fileOf, LONG_DAYS, memory, NEEDS, revoke } from './needs.js'
import { caller, signIn } from './page.js'

const LOOK = /** @type {const} */ ({ lang: 'zh', theme: 'light', width: 1366, height: 768 })
const SHOWN_MS = 5_000
/** Within which what is over is gone. */
const GONE_MS = 5_000

/** Shown by scenes of their own. */
const APART = ['default_password', 'recovered_after_crash']
/** Where the broker has the words of all kinds. */
const KINDS = ['broker/src/observe/attention.rs', 'broker/src/observe/alarm.rs', 'api/src/route/attention.rs']

/** @typedef {import('playwright-core').Page} Page */

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showAttention(browser, binary) {
  assert.deepEqual([...Object.keys(NEEDS), ...APART].sort(), await kinds(), 'kinds that are shown, and that there are')
  await everyNeed(browser, binary)
  await crash(browser, binary)
}

/** All that there are, as the broker's source has them, so that none is forgotten here. */
async function kinds() {
  const sources = await Promise.all(KINDS.map((file) => readFile(new URL(`../../../crates/${file}`, import.meta.url), 'utf8')))
  const all = sources.join('\n')
  const naming = [...all.matchAll(/const fn (?:kind|attention)\(.*?\n {4}\}/gs)].map(([body]) => body).join('\n')
  const found = [...naming.matchAll(/=> "(\w+)"/g), ...all.matchAll(/\bsay\(\s*"(\w+)"/g)].map(([, word]) => word ?? '')
  return found.sort()
}

/** @param {import('playwright-core').Browser} browser @param {string} binary */
async function everyNeed(browser, binary) {
  const room = await mkdtemp(join(tmpdir(), 'ternmq-attention-'))
  const [data, meminfo, file] = [join(room, 'data'), join(room, 'meminfo'), join(room, 'ternmq.toml')]
  await mkdir(data)
  await writeFile(meminfo, memory(20))
  await writeFile(file, fileOf(room))
  await certify(room, LONG_DAYS)
  await revoke(room, LONG_DAYS)
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
    for (const [kind, { who = '', waits = 0, lasts = 0, provoke }] of Object.entries(NEEDS)) {
      // What a scene before has left would be taken for this one's.
      await gone(page, kind)
      const cure = await provoke(scene)
      // Cured also if it is not shown: what provoked it may be a process.
      const after = await shown(page, kind, { who, waits }).finally(cure)
      const over = gone(page, kind, lasts).then((ms) => told(kind, { after, waits, ms, lasts }))
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

/** @param {string} kind @param {{ after: number, waits?: number, ms: number, lasts?: number }} figures */
function told(kind, { after, waits = 0, ms, lasts = 0 }) {
  const within = (/** @type {number} */ most, /** @type {number} */ more, /** @type {string} */ why) => `(<= ${most + more}${more > 0 ? `, of which ${more} it ${why}` : ''})`
  console.log(`attention: ${kind}: shown after ${after} ms ${within(SHOWN_MS, waits, 'has to last')}; gone ${ms} ms after its cure ${within(GONE_MS, lasts, 'is told on')}`)
}

/** The words of all items of a kind, of those that are folded, too. @param {Page} page @param {string} kind */
async function items(page, kind) {
  const read = () =>
    page.evaluate((of) => {
      const fold = document.querySelector(/** @type {'button'} */ ('section:has(> [aria-live]) > button[aria-expanded=false]'))
      fold?.click()
      return fold === null ? [...document.querySelectorAll(`[data-attention=${of}]`)].map((item) => item.textContent ?? '') : null
    }, kind)
  let found = await read()
  while (found === null) found = await read()
  return found
}

/**
 * After how many milliseconds it is on the page, with whom it is about.
 * @param {Page} page @param {string} kind @param {{ who?: string, waits?: number }} [what]
 */
async function shown(page, kind, { who = '', waits = 0 } = {}) {
  const from = Date.now()
  for (;;) {
    const found = await items(page, kind)
    const passed = Date.now() - from
    if (found.some((words) => words.includes(who))) return passed
    assert.ok(passed <= waits + SHOWN_MS, `${kind} of ${who || 'nobody'} is not shown after ${passed} ms: ${found.join(' | ') || 'nothing of this kind'}`)
    await page.waitForTimeout(50)
  }
}

/** After how many milliseconds it is not there any more. @param {Page} page @param {string} kind */
async function gone(page, kind, lasts = 0) {
  const from = Date.now()
  for (;;) {
    const found = await items(page, kind)
    const passed = Date.now() - from
    if (found.length === 0) return passed
    assert.ok(passed <= lasts + GONE_MS, `${kind} is still shown after ${passed} ms: ${found.join(' | ')}`)
    await page.waitForTimeout(50)
  }
}

/** Of a broker that nobody has set up, until the page's own button has set a password. @param {Page} page @param {string} home */
async function defaultPassword(page, home) {
  await signIn(page, home)
  const after = await shown(page, 'default_password')
  await page.click('[data-attention=default_password] button')
  const phrase = await page.locator('#set-password input.mono').inputValue()
  await page.click('button[form=set-password]')
  await page.waitForSelector('dialog', { state: 'detached' })
  told('default_password', { after, ms: await gone(page, 'default_password') })
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
    told('recovered_after_crash', { after, ms: await gone(page, 'recovered_after_crash') })
  } finally {
    await close()
    await broker.end()
  }
}
