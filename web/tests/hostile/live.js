// What is shown only while something goes on, or of somebody who was chosen: the flow picture as picture, table and wall,
// the topic explorer with each topic, and what the palette finds.
import { settled } from '../walk/browser.js'
import { asTopic, HOSTILE, isName } from './strings.js'

const EVERY_MS = 1_000
/** Parts of the strings, which find them. */
const SOUGHT = ['script', '=', 'test', 'quote']

/** @typedef {(page: import('playwright-core').Page, where: string) => Promise<number>} Inspect */

/**
 * How many characters are shown by their number.
 * @param {import('playwright-core').Page} page @param {string} home
 * @param {{ clients: import('mqtt').MqttClient[], inspect: Inspect }} scene clients are seen in the picture by what they publish
 */
export async function live(page, home, { clients, inspect }) {
  const speak = () => {
    for (const client of clients) if (client.connected) client.publish(asTopic(String(client.options.clientId)), 'x')
  }
  const each = setInterval(speak, EVERY_MS)
  let seen = 0
  try {
    await page.goto(home)
    await settled(page)
    await page.locator('[data-flow]').scrollIntoViewIfNeeded()
    await page.waitForSelector('[data-flow-node=publisher]')
    seen += await inspect(page, 'flow picture')
    await page.keyboard.press('f')
    await page.locator('[data-wall] [data-flow]').scrollIntoViewIfNeeded()
    await page.waitForSelector('[data-wall] [data-flow-node=publisher]')
    seen += await inspect(page, 'wall display')
    await page.goto(`${home}/?flow=table`)
    await page.locator('[data-flow]').scrollIntoViewIfNeeded()
    await page.waitForSelector('[data-flow] tbody tr')
    seen += await inspect(page, 'flow as a table')
  } finally {
    clearInterval(each)
  }
  for (const text of HOSTILE.filter(isName)) {
    await page.goto(`${home}/topics?topic=${encodeURIComponent(asTopic(text))}`)
    await settled(page)
    seen += await inspect(page, `topic ${JSON.stringify(text.slice(0, 30))}`)
  }
  for (const text of SOUGHT) {
    await page.goto(home)
    await settled(page)
    await page.keyboard.press('Control+k')
    await page.fill('dialog input', text)
    await page.waitForSelector('dialog [role=option]')
    seen += await inspect(page, `palette with ${text}`)
  }
  return seen
}
