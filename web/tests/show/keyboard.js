// From the sign-in to the first message with nothing but keys.
import assert from 'node:assert/strict'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'

const TABS_MAX = 80

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showKeyboard(browser, binary) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'zh', theme: 'light', width: 1366, height: 768 })
  let keys = 0
  const press = async (/** @type {string} */ key) => {
    keys += 1
    await page.keyboard.press(key)
  }
  const type = async (/** @type {string} */ text) => {
    keys += text.length
    await page.keyboard.type(text)
  }
  const reach = async (/** @type {string} */ selector) => {
    for (let tabs = 0; tabs < TABS_MAX; tabs += 1) {
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return
      await press('Tab')
    }
    throw new Error(`${selector} is not reached by Tab`)
  }
  try {
    await page.goto(broker.page)
    await page.waitForSelector('input[name=username]')
    await reach('input[name=username]')
    await type('admin')
    await reach('input[name=password]')
    await type('public')
    await press('Enter')
    await page.waitForSelector('[data-figure=in]')
    await reach('nav a[href="/mqtt-client"]')
    await press('Enter')
    await page.waitForSelector('[data-mqtt=connect]')
    await reach('[data-mqtt=connect]')
    await press('Enter')
    await page.waitForSelector('[data-mqtt=subscribe]:enabled')
    await reach('[data-mqtt=filter]')
    await press('Enter')
    await page.waitForSelector('.pane .filter')
    await reach('[data-mqtt=payload]')
    await press('Control+a')
    await type('by keyboard')
    await press('Control+Enter')
    // As published, and as received.
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 2)
    assert.match(await page.locator('.message').last().innerText(), /by keyboard/)
    assert.deepEqual(faults, [])
    console.log(`keyboard: from the sign-in to the first message with ${keys} keys`)
  } finally {
    await close()
    await broker.end()
  }
}
