// Through what an administrator does: finds a page with keys, bans and forgives, makes a user and a key,
// changes a setting and takes that back, adds and deletes a listener, traces a client, gives a wall display its
// link and takes it back, makes a backup.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

/**
 * Behind the password that was set.
 * @param {import('playwright-core').Page} page
 * @param {{ page: string, host: string, mqtt: number }} broker
 */
export async function administer(page, broker) {
  const home = broker.page
  await palette(page, home)
  await added(page, home, '/bans', { 'input.mono': 'walk <b>banned</b>' }, 'walk <b>banned</b>')
  await removed(page, 'walk <b>banned</b>')
  await added(page, home, '/users', { 'input:not(.mono):not(.unseen)': 'walker' }, 'walker')
  await removed(page, 'walker')
  await key(page, home)
  await setting(page, home)
  await added(page, home, '/listeners', { 'input:not(.mono):not([inputmode])': 'walk', 'input.mono': `${broker.host}:0`, '[data-listener=rules]': 'allow 127.0.0.0/8\ndeny all' }, 'walk')
  await listener(page)
  await removed(page, 'walk')
  await trace(page, broker)
  await wall(page, home)
  await page.goto(`${home}/backups?do=make`)
  await page.click('[data-act=go]')
  await row(page, '.export').waitFor()
}

/** @param {import('playwright-core').Page} page @param {string} text */
export function row(page, text) {
  return page.locator('tbody tr', { hasText: text }).first()
}

/**
 * What cannot be sent is not; then it is, and stands in the list.
 * @param {import('playwright-core').Page} page
 * @param {string} home
 * @param {string} path
 * @param {Record<string, string>} fields
 * @param {string} name
 */
async function added(page, home, path, fields, name) {
  await page.goto(`${home}${path}?do=add`)
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog [aria-invalid=true]:focus')
  for (const [field, text] of Object.entries(fields)) await page.locator(`dialog ${field}`).first().fill(text)
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog', { state: 'detached' })
  await row(page, name).waitFor()
}

/** @param {import('playwright-core').Page} page @param {string} name */
export async function removed(page, name) {
  await row(page, name).locator('td.actions button').last().click()
  // The question has the focus on its answer.
  await page.waitForSelector('dialog [data-act=go]:focus')
  await page.keyboard.press('Enter')
  await page.waitForSelector('dialog', { state: 'detached' })
  // Rows stay under the pointer until it leaves.
  await page.mouse.move(0, 0)
  await row(page, name).waitFor({ state: 'detached' })
}

/** @param {import('playwright-core').Page} page @param {string} home */
async function palette(page, home) {
  await page.goto(`${home}/clients`)
  await page.waitForSelector('main :is(table, .state):visible')
  await page.keyboard.press('Control+k')
  await page.waitForSelector('dialog [role=combobox]:focus')
  await page.keyboard.type('/bans')
  await page.waitForSelector('dialog [role=option]')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/bans$/)
  await page.keyboard.press('?')
  await page.waitForSelector('dialog kbd')
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await page.waitForURL(/\/settings$/)
}

/**
 * The secret is shown once, and is good.
 * @param {import('playwright-core').Page} page
 * @param {string} home
 */
async function key(page, home) {
  await page.goto(`${home}/api-keys?do=add`)
  await page.fill('dialog input', 'walk')
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog dd code')
  const [user, secret] = await page.locator('dialog dd code').allTextContents()
  assert.ok(user && secret)
  const answer = await fetch(`${home}/api/v5/nodes`, { headers: { authorization: `Basic ${btoa(`${user}:${secret}`)}` } })
  assert.equal(answer.status, 200)
  await page.keyboard.press('Escape')
  await row(page, 'walk').waitFor()
  await removed(page, 'walk')
}

/** What was set of it is told and comes back to be changed. @param {import('playwright-core').Page} page */
async function listener(page) {
  await row(page, 'walk').locator('button.link').click()
  await page.waitForSelector('dialog [data-rule=deny]')
  await page.click('dialog [data-act=edit]')
  assert.equal(await page.inputValue('dialog [data-listener=rules]'), 'allow 127.0.0.0/8\ndeny all')
  await page.fill('dialog [data-listener=rules]', 'allow 127.0.0.0/8\ndeny everybody')
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog [data-listener=rules][aria-invalid=true]:focus')
  await page.fill('dialog [data-listener=rules]', 'allow 127.0.0.0/8')
  // Nothing refuses the others: that is said, and mended with one press.
  await page.click('dialog [data-takes=everybody] button')
  await page.waitForSelector('dialog [data-takes=some]')
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog', { state: 'detached' })
}

/** @param {import('playwright-core').Page} page @param {string} home */
async function setting(page, home) {
  const name = 'mqtt.max_inflight'
  await page.goto(`${home}/settings?q=${name}&edit=${name}`)
  await page.fill('dialog input', '0')
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog [role=alert]')
  await page.fill('dialog input', '321')
  await page.click('[data-act=go]')
  await row(page, '321').waitFor()
  await row(page, name).locator('td.actions button').first().click()
  await page.click('[data-act=go]')
  await row(page, '321').waitFor({ state: 'detached' })
}

/** @param {import('playwright-core').Page} page @param {{ page: string, host: string, mqtt: number }} broker */
async function trace(page, broker) {
  await page.goto(`${broker.page}/traces?do=add&target=traced`)
  await page.click('[data-act=go]')
  await page.waitForURL(/\/traces\/view\?name=/)
  const client = mqtt.connect(`mqtt://${broker.host}:${broker.mqtt}`, { clientId: 'traced', reconnectPeriod: 0 })
  const talk = setInterval(() => client.publish('walk/traced', 'seen'), 200)
  try {
    await row(page, 'walk/traced').waitFor()
  } finally {
    clearInterval(talk)
    await client.endAsync()
  }
  await page.goto(`${broker.page}/traces`)
  await removed(page, 'traced')
}

/**
 * The link opens the wall display for whoever has it, until its key is deleted.
 * @param {import('playwright-core').Page} page
 * @param {string} home
 */
async function wall(page, home) {
  await page.goto(home)
  await page.click('[data-act=share-wall]')
  await page.fill('dialog input', 'corridor')
  await page.click('[data-act=go]')
  const link = await page.locator('dialog dd code').textContent()
  await page.keyboard.press('Escape')
  const context = await page.context().browser()?.newContext()
  const other = await context?.newPage()
  assert.ok(link && context && other)
  await other.goto(link)
  await other.waitForSelector('[data-wall] [data-figure=in]')
  await other.waitForSelector('[data-wall] [data-flow]')
  await row(page, 'corridor').waitFor()
  await removed(page, 'corridor')
  await other.waitForSelector('[data-wall]', { state: 'detached' })
  await context.close()
}
