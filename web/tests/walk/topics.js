// Through the topic explorer: a branch is opened by keys, a value seen and compared, a number pinned, and the
// retained messages of a branch saved, deleted and loaded again.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

/**
 * Behind the password that was set.
 * @param {import('playwright-core').Page} page
 * @param {{ page: string, host: string, mqtt: number }} broker
 */
export async function explorer(page, broker) {
  const client = mqtt.connect(`mqtt://${broker.host}:${broker.mqtt}`, { clientId: 'sensor', reconnectPeriod: 0 })
  let n = 0
  const talk = setInterval(() => client.publish('lab/room1/t', JSON.stringify({ t: 20 + (n += 1) / 10 })), 200)
  try {
    for (const [topic, payload] of [['lab/config', '{"low":10}'], ['lab/raw', Buffer.from([0, 255])]]) {
      await client.publishAsync(String(topic), payload ?? '', { retain: true, qos: 1 })
    }
    await page.goto(`${broker.page}/topics`)
    await byKeys(page)
    await search(page)
    await pin(page)
    await retained(page, broker.page)
  } finally {
    clearInterval(talk)
    await client.endAsync()
  }
}

/** @param {import('playwright-core').Page} page @param {string} text */
function row(page, text) {
  return page.locator('.both [role=treeitem]', { hasText: text })
}

/** @param {import('playwright-core').Page} page */
async function byKeys(page) {
  await row(page, 'lab').first().waitFor()
  const tree = page.locator('.both [role=tree]').first()
  await tree.focus()
  await page.keyboard.press('Home')
  await downTo('lab')
  await page.keyboard.press('ArrowRight')
  await row(page, 'room1').waitFor()
  await downTo('room1')
  await page.keyboard.press('ArrowRight')
  await page.waitForFunction(() => document.querySelectorAll('.both [role=treeitem][aria-level="3"]').length === 1)
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await page.waitForURL(/topic=lab\/room1\/t/)

  /** @param {string} name */
  async function downTo(name) {
    const rows = await page.locator('.both [role=treeitem]').count()
    for (let n = 0; n < rows && (await tree.locator('.active .name').textContent()) !== name; n += 1) await page.keyboard.press('ArrowDown')
  }
}

/** @param {import('playwright-core').Page} page */
async function search(page) {
  const box = page.locator('[role=search] input').first()
  // On a phone one of both is shown at a time.
  if (!(await box.isVisible())) await page.locator('.head .back').click()
  await box.fill('ROOM1/T')
  await row(page, 'lab/room1/t').click()
  await page.waitForURL(/topic=lab\/room1\/t/)
  if (await box.isVisible()) await box.fill('')
}

/** @param {import('playwright-core').Page} page */
async function pin(page) {
  await page.locator('.view [role=treeitem]', { hasText: 't:' }).click()
  await page.click('[data-pin]')
  await page.waitForSelector('[data-chart] canvas')
  await page.click('[data-part=difference]')
  await page.waitForSelector('.change.changed >> text=$.t')
}

/**
 * What is deleted is there again when the file that was offered is loaded.
 * @param {import('playwright-core').Page} page
 * @param {string} home
 */
async function retained(page, home) {
  await page.goto(`${home}/retained?q=lab/%23`)
  await page.waitForFunction(() => document.querySelectorAll('tbody tr:not(.gone)').length === 2)
  await page.click('[data-act=delete-all]')
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('[data-retained=save]')])
  const file = await download.path()
  await page.click('dialog [data-act=go]')
  await page.waitForFunction(() => document.querySelectorAll('tbody tr:not(.gone)').length === 0)
  await page.click('[data-act=load]')
  await page.setInputFiles('dialog input[type=file]', file)
  await page.click('dialog [data-act=go]')
  await page.waitForFunction(() => document.querySelectorAll('tbody tr:not(.gone)').length === 2)
  await page.keyboard.press('Escape')
  await page.locator('tbody .link', { hasText: 'lab/raw' }).click()
  assert.match((await page.locator('dialog .text').textContent()) ?? '', /00 ff/)
}
