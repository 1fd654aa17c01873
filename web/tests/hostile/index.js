// Strings that mean harm, as client id, user name, topic and payload, on every page that shows such: no
// script runs, nothing breaks the layout, nothing is hidden, and no cell of a saved table is a formula.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'

import mqtt from 'mqtt'

import { caller } from '../show/page.js'
import { startBroker } from '../walk/broker.js'
import { openPage, overflow, settled } from '../walk/browser.js'
import { PAGES } from '../walk/pages.js'
import { cells } from './csv.js'
import { live } from './live.js'
import { asTopic, HOSTILE, isName } from './strings.js'

const WAIT_MS = 30_000
const PASSWORD = 'hostile-strings-1'
/** A subscriber takes no more, so that its message is lost and the loss is listed. */
const PACKET_MAX = 200
/** Often enough to be told as two machines that share an id. */
const FIGHTS = 6
/** Names on pages that are told in the address what to show. */
const WITH_NAMES = ['/authorization?of=users', '/authorization?of=clients', '/connection-log?event=denied', ...HOSTILE.filter(isName).map((name) => `/authorization?of=users&who=${encodeURIComponent(name)}`)]
/** The entry of a menu that makes a spreadsheet's file. */
const SAVE = 'button:text-is("CSV"):enabled'
/** Lists that have a row for nearly each of them; whatever else can be saved has what it has. */
const FULL = new Set(['/clients', '/connection-log', '/subscriptions', '/losses', '/mqtt-users', '/retained'])
/** Of what is saved. */
const FULL_ROWS = HOSTILE.length / 2
/** Of a row in the list of messages, as that has it. */
const ROW = 46
/** What would not be seen, or would be done; an end of a line, a tab and a space are neither. */
const UNSEEN = '[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\u{e0000}-\\u{e007f}]'

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} binary
 * @param {import('../walk/browser.js').Look} look
 * @param {{ messages: number }} length how many messages are opened
 */
export async function walkHostile(browser, binary, look, { messages }) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, look)
  page.setDefaultTimeout(WAIT_MS)
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  const clients = await crowd(broker)
  try {
    const call = await signIn(page, broker.page)
    await access(call, clients)
    let seen = 0
    let files = 0
    for (const path of [...PAGES, ...WITH_NAMES]) {
      await page.goto(broker.page + path)
      await settled(page)
      seen += await inspect(page, path)
      if ((await page.locator(SAVE).count()) === 0) continue
      await save(page, path, FULL.has(path) ? FULL_ROWS : 0)
      files += 1
    }
    seen += await live(page, broker.page, { clients: clients.slice(0, HOSTILE.length), inspect })
    for (const text of HOSTILE.filter(isName)) {
      await page.goto(`${broker.page}/clients/detail?id=${encodeURIComponent(text)}`)
      await page.waitForSelector('main dl')
      seen += await inspect(page, `detail of ${JSON.stringify(text.slice(0, 30))}`)
    }
    seen += await ownClient(page, broker.page, messages)
    // That there was something to be seen is part of the proof.
    assert.ok(seen > HOSTILE.length * 4, `only ${seen} marks of what is not seen`)
    assert.deepEqual(faults, [], `${look.lang} ${look.width}`)
    console.log(
      `hostile: ${HOSTILE.length} strings (40) on ${PAGES.length + 2} pages and in ${messages} opened messages, ${look.lang} ${look.theme} ${look.width} px: ` +
        `0 scripts ran (0), 0 broke the layout (0), ${seen} characters shown by their number, 0 hidden (0); ${files + 1} files without a formula`,
    )
  } finally {
    for (const client of clients) client.end(true)
    await close()
    await broker.end()
  }
}

/**
 * A client of each name, which subscribes, retains, and loses what is too large for it.
 * @param {{ host: string, mqtt: number }} broker
 */
async function crowd(broker) {
  const url = `mqtt://${broker.host}:${broker.mqtt}`
  const all = []
  for (const [at, text] of HOSTILE.entries()) {
    const name = isName(text) ? text : `control-${at}`
    // Refused; the connection log tells of it.
    if (name !== text) await new Promise((done) => mqtt.connect(url, { clientId: text, reconnectPeriod: 0 }).on('close', () => done(null)))
    const topic = asTopic(name)
    const client = await mqtt.connectAsync(url, {
      clientId: name,
      username: name,
      protocolVersion: 5,
      reconnectPeriod: 0,
      properties: { maximumPacketSize: PACKET_MAX },
    })
    client.on('error', () => undefined)
    await client.subscribeAsync(topic.length < PACKET_MAX / 4 ? topic : '+/long')
    await client.publishAsync(topic, text, { qos: 1, retain: true, properties: { userProperties: { [name]: name }, contentType: name } })
    await client.publishAsync(topic, text + '.'.repeat(PACKET_MAX), { qos: 1 })
    all.push(client)
  }
  for (const text of HOSTILE.slice(0, 3)) {
    for (let n = 0; n < FIGHTS; n += 1) all.push(await mqtt.connectAsync(url, { clientId: text, username: text, reconnectPeriod: 0 }))
  }
  for (const client of all) client.on('error', () => undefined)
  return all
}

/** With a password set, so that the pages show what they show in use. @param {import('playwright-core').Page} page @param {string} home */
async function signIn(page, home) {
  const first = await caller(home, 'public')
  await first('POST', '/users/admin/change_pwd', { old_pwd: 'public', new_pwd: PASSWORD })
  await page.goto(home)
  await page.fill('input[name=username]', 'admin')
  await page.fill('input[name=password]', PASSWORD)
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-figure=in]')
  return caller(home, PASSWORD)
}

/**
 * MQTT users, and users and clients with rules, of each name; each client is denied something.
 * @param {import('../show/page.js').Call} call @param {import('mqtt').MqttClient[]} clients
 */
async function access(call, clients) {
  const users = '/authentication/password_based:built_in_database/import_users?type=plain'
  const built = '/authorization/sources/built_in_database/rules'
  const hash = { name: 'sha256', salt_position: 'prefix' }
  await call('POST', '/authentication?anonymous=keep', { mechanism: 'password_based', backend: 'built_in_database', password_hash_algorithm: hash })
  await call('POST', users, HOSTILE.map((user_id) => ({ user_id, password: user_id })))
  const rules = HOSTILE.filter(isName).map((name) => ({ name, rules: [{ permission: 'deny', action: 'subscribe', topic: `denied/${asTopic(name)}` }] }))
  await call('POST', `${built}/users`, rules.map(({ name, rules: own }) => ({ username: name, rules: own })))
  await call('POST', `${built}/clients`, rules.map(({ name, rules: own }) => ({ clientid: name, rules: own })))
  for (const client of clients) if (client.connected) await client.subscribeAsync(`denied/${asTopic(String(client.options.clientId))}`).catch(() => undefined)
}

/**
 * What is on the page now; how many characters it shows by their number.
 * @param {import('playwright-core').Page} page @param {string} where
 */
async function inspect(page, where) {
  const found = await page.evaluate((unseen) => {
    const odd = new RegExp(unseen, 'u')
    /** @type {string[]} */
    const hidden = []
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      if (odd.test(node.nodeValue ?? '')) hidden.push(`text in ${node.parentElement?.className}`)
    }
    for (const element of document.body.querySelectorAll('[title], [aria-label], [data-title], [label], [placeholder]')) {
      for (const name of ['title', 'aria-label', 'data-title', 'label', 'placeholder']) {
        if (odd.test(element.getAttribute(name) ?? '')) hidden.push(`${name} of ${element.className}`)
      }
    }
    const tallest = Math.max(0, ...[...document.querySelectorAll('tbody tr')].map((row) => row.getBoundingClientRect().height))
    return { ran: 'ran' in window, hidden, tallest, marks: document.querySelectorAll('main .odd').length }
  }, UNSEEN)
  assert.ok(!found.ran, `a script ran: ${where}`)
  assert.deepEqual(found.hidden, [], `hidden characters: ${where}`)
  assert.ok((await overflow(page)) <= 0, `wider than its window: ${where}`)
  assert.ok(found.tallest < innerHeight(page), `a row of ${found.tallest} px: ${where}`)
  return found.marks
}

/** @param {import('playwright-core').Page} page */
function innerHeight(page) {
  return page.viewportSize()?.height ?? 0
}

/**
 * The page's client gets all that is retained; the list is scrolled through, some messages are opened.
 * @param {import('playwright-core').Page} page @param {string} home @param {number} messages
 */
async function ownClient(page, home, messages) {
  await page.goto(`${home}/mqtt-client`)
  await page.click('[data-mqtt=connect]')
  await page.fill('[data-mqtt=filter]', '#')
  await page.click('[data-mqtt=subscribe]:enabled')
  await page.waitForFunction((n) => Number(document.querySelector('[data-count=kept]')?.textContent) >= n, HOSTILE.length)
  const box = page.locator('[role=log]')
  const height = await box.evaluate((element) => element.scrollHeight)
  let seen = 0
  for (let top = 0; top < height; top += 200) {
    await box.evaluate((element, to) => element.scrollTo(0, to), top)
    await page.waitForTimeout(20)
    seen += await inspect(page, `list at ${top}`)
  }
  await save(page, 'messages', FULL_ROWS)
  /** @type {Set<string>} */
  const opened = new Set()
  for (let at = 0; at < messages; at += 1) {
    await box.evaluate((element, to) => element.scrollTo(0, to), at * ROW)
    await page.waitForTimeout(20)
    await box.evaluate(
      (element, [row, height]) => {
        const drawn = element.querySelector('ol')
        const first = Math.round(Number.parseFloat(drawn?.style.top ?? '') / height)
        drawn?.children[row - first]?.querySelector('button')?.click()
      },
      /** @type {const} */ ([at, ROW]),
    )
    await page.click('[data-mqtt=code]')
    opened.add((await page.locator('[data-code=mosquitto]').textContent()) ?? '')
    seen += await inspect(page, `message ${at}`)
    await page.click('[data-code-for=python]')
    seen += await inspect(page, `message ${at} in Python`)
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog', { state: 'detached' })
  }
  assert.equal(opened.size, messages, 'each message is opened once')
  await page.click('[data-mqtt=packets]')
  seen += await inspect(page, 'packet log')
  return seen
}

/** What the page that is open saves. @param {import('playwright-core').Page} page @param {string} where @param {number} least rows */
async function save(page, where, least) {
  const menu = page.locator('main details', { has: page.locator(SAVE) })
  await menu.locator('summary').click()
  const [download] = await Promise.all([page.waitForEvent('download'), menu.locator(SAVE).click()])
  const rows = cells(await readFile(await download.path(), 'utf8'))
  assert.ok(rows.length > least, `${where}: ${rows.length} rows`)
  for (const cell of rows.flat()) assert.ok(!/^[=+@\t\r\n-]/.test(cell) || /^-?\d+(\.\d+)?$/.test(cell), `a formula in ${where}: ${cell.slice(0, 40)}`)
}
