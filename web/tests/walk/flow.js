// The chapter of the flow picture: the tutorial's two scripts run, and the overview shows exactly them.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

/** Within which the figures are settled, and a subscriber that went is seen to be gone, with room for a busy machine. */
const SETTLED_MS = 12_000
const GONE_MS = 3_000
const HELD_MS = 3_000
/** Within which a chart has drawn what it got. */
const DRAWN_MS = 2_000
/** So much of a wall's picture is seen at least. */
const PICTURE_PX = 150
export const TUTORIAL = { publishers: 1, topics: 2, subscribers: 1, in: 2, out: 1, stubs: 1 }
export const WITHOUT_SUBSCRIBER = { ...TUTORIAL, subscribers: 0, out: 0, stubs: 2 }
const FIGURES = { in: 2, out: 1, unread: 1, lost: 0 }

/**
 * @param {import('playwright-core').Page} page
 * @param {{ page: string, host: string, mqtt: number }} broker
 */
export async function flow(page, broker) {
  await page.goto(broker.page)
  await page.waitForSelector('[data-flow]')
  const address = `mqtt://${broker.host}:${broker.mqtt}`
  const subscriber = await mqtt.connectAsync(address, { clientId: 'bci_100001' })
  await subscriber.subscribeAsync('test')
  const publisher = await mqtt.connectAsync(address, { clientId: 'bci_100002' })
  const speak = () => {
    publisher.publish('test', 'this is a test message')
    publisher.publish('test_2', 'this is test 2')
  }
  speak()
  const each = setInterval(speak, 1_000)
  try {
    await settles(page, TUTORIAL, SETTLED_MS)
    await stays(page, HELD_MS)
    await onWall(page)
    await subscriber.endAsync()
    await settles(page, WITHOUT_SUBSCRIBER, GONE_MS, false)
    await history(page)
  } finally {
    clearInterval(each)
    await publisher.endAsync()
    await subscriber.endAsync()
  }
}

/** The same on the wall, where nobody scrolls, and on the page again. @param {import('playwright-core').Page} page */
async function onWall(page) {
  await page.keyboard.press('f')
  await page.waitForSelector('[data-wall] :is(.good, .warn)')
  await page.waitForSelector('[data-wall] [data-flow] [data-flow-node=client]')
  const { y = Infinity } = (await page.locator('[data-wall] [data-flow]').boundingBox()) ?? {}
  const below = y + PICTURE_PX - (page.viewportSize()?.height ?? 0)
  assert.ok(below <= 0, `the wall's picture is ${below} px below its screen`)
  await page.keyboard.press('Escape')
  await page.waitForSelector('.overview > :is(.good, .warn)')
  const client = page.locator('.overview > [data-flow] [data-flow-node=client]')
  for (const until = Date.now() + SETTLED_MS; !(await client.isVisible()); await page.waitForTimeout(50)) {
    assert.ok(Date.now() < until, 'the picture is not back')
    await beheld(page)
  }
}

/**
 * What is not seen of the picture it is not told; and what comes in above it, such as what needs attention, moves it away.
 * @param {import('playwright-core').Page} page
 */
function beheld(page) {
  return page.locator('[data-flow]').scrollIntoViewIfNeeded()
}

/** The charts' figures are there as soon as their points are. @param {import('playwright-core').Page} page */
async function history(page) {
  const points = page.waitForResponse(async (answer) => answer.url().includes('/monitor?') && (await answer.json()).length > 0, { timeout: SETTLED_MS })
  await page.click('.spans button:nth-child(2)')
  await points
  const isTold = () => [...document.querySelectorAll('.u-legend')].every((legend) => /\d/.test(legend.textContent ?? '') && !legend.textContent?.includes('–'))
  await page.waitForFunction(isTold, undefined, { timeout: DRAWN_MS })
  await page.click('.spans button:first-child')
  await page.waitForFunction(isTold, undefined, { timeout: DRAWN_MS })
}

/**
 * Waits until the picture is as it should be, and with `rates` every figure is right within a tenth, too.
 * @param {import('playwright-core').Page} page
 * @param {typeof TUTORIAL} counts
 * @param {number} within
 */
export async function settles(page, counts, within, rates = true) {
  const until = Date.now() + within
  await beheld(page)
  let now = await seen(page)
  const isWhole = () => Object.entries(counts).every(([key, n]) => Reflect.get(now.counts, key) === n) && (!rates || [...now.rates, ...now.figures].every(isRight))
  while (!isWhole()) {
    assert.ok(Date.now() < until, `after ${within} ms the picture has ${JSON.stringify(now)}`)
    await page.waitForTimeout(50)
    await beheld(page)
    now = await seen(page)
  }
}

/**
 * The picture is as it should be, and stays so. Gives the least and the greatest share that a rate or a figure was of what
 * it should be, which is judged by who asks.
 * @param {import('playwright-core').Page} page @param {number} holds
 */
export async function stays(page, holds) {
  const shares = []
  for (const until = Date.now() + holds; Date.now() < until; ) {
    const { counts, rates, figures } = await seen(page)
    assert.deepEqual(counts, TUTORIAL)
    shares.push(...[...rates, ...figures].filter(([wanted]) => wanted !== 0).map(([wanted = 1, read = Number.NaN]) => read / wanted))
    await page.waitForTimeout(250)
  }
  return { least: Math.min(...shares), most: Math.max(...shares) }
}

/**
 * After how many milliseconds since `from` the four figures are right, and what they are then.
 * @param {import('playwright-core').Page} page @param {number} from @param {number} within
 */
export async function figuresWithin(page, from, within) {
  for (;;) {
    const { figures } = await seen(page)
    const passed = Date.now() - from
    if (figures.every(isRight)) return { afterMs: passed, read: figures.map(([, figure = Number.NaN]) => figure) }
    assert.ok(passed < within, `after ${passed} ms the figures are ${figures.map(([, read]) => read).join(', ')}`)
    await page.waitForTimeout(50)
  }
}

/** Within a tenth. @param {readonly number[]} pair what it should be, and what it is */
function isRight([wanted = 0, read = Number.NaN]) {
  return Math.abs(read - wanted) <= 0.1 * wanted + 1e-9
}

/** What the picture has; its rates and the figures as they should be and are. @param {import('playwright-core').Page} page */
function seen(page) {
  return page.evaluate((figures) => {
    const all = (/** @type {string} */ what) => [...document.querySelectorAll(what)]
    const of = (/** @type {string} */ what, /** @type {string} */ name) => all(`[${what}]`).map((line) => [1, Number(line.getAttribute(name))])
    const rates = [...of('data-flow-line', 'data-rate'), ...of('data-flow-stub', 'data-flow-stub')]
    const read = Object.entries(figures).map(([key, wanted]) => [wanted, Number.parseFloat(document.querySelector(`[data-figure=${key}]`)?.textContent ?? '')])
    const counts = {
      publishers: all('[data-flow-node=publisher]').length,
      topics: all('[data-flow-node=topic]').length,
      subscribers: all('[data-flow-node=client], [data-flow-node=group]').length,
      in: all('[data-flow-line=in]').length,
      out: all('[data-flow-line=out]').length,
      stubs: all('[data-flow-stub]').length,
    }
    return { counts, rates, figures: read }
  }, FIGURES)
}
