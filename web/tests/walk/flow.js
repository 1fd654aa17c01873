// The chapter of the flow picture: the tutorial's two scripts run, and the overview shows exactly them.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

/** Within which the figures are settled, and a subscriber that went is seen to be gone, with room for a busy machine. */
const SETTLED_MS = 12_000
const GONE_MS = 3_000
const HELD_MS = 3_000
const TUTORIAL = { publishers: 1, topics: 2, subscribers: 1, in: 2, out: 1, stubs: 1 }
const WITHOUT_SUBSCRIBER = { ...TUTORIAL, subscribers: 0, out: 0, stubs: 2 }
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
    // What the picture does not show it is not told: it has to be seen.
    await page.locator('[data-flow]').scrollIntoViewIfNeeded()
    await settles(page, TUTORIAL, SETTLED_MS)
    for (const until = Date.now() + HELD_MS; Date.now() < until; ) {
      assert.deepEqual((await seen(page)).counts, TUTORIAL)
      await page.waitForTimeout(250)
    }
    await subscriber.endAsync()
    await settles(page, WITHOUT_SUBSCRIBER, GONE_MS, false)
  } finally {
    clearInterval(each)
    await publisher.endAsync()
    await subscriber.endAsync()
  }
}

/**
 * Waits until the picture is as it should be, and with `rates` every figure is right within a tenth, too.
 * @param {import('playwright-core').Page} page
 * @param {typeof TUTORIAL} counts
 * @param {number} within
 */
async function settles(page, counts, within, rates = true) {
  const until = Date.now() + within
  let now = await seen(page)
  const isRight = () => Object.entries(counts).every(([key, n]) => Reflect.get(now.counts, key) === n) && (!rates || now.odd.length === 0)
  while (!isRight()) {
    assert.ok(Date.now() < until, `after ${within} ms the picture has ${JSON.stringify(now)}`)
    await page.waitForTimeout(50)
    now = await seen(page)
  }
}

/** What the picture has, and the figures and rates of it that are wrong by more than a tenth. @param {import('playwright-core').Page} page */
function seen(page) {
  return page.evaluate((figures) => {
    const all = (/** @type {string} */ what) => [...document.querySelectorAll(what)]
    const rates = all('[data-flow-line]').map((line) => Number(line.getAttribute('data-rate')))
    const read = Object.entries(figures).map(([key, wanted]) => [wanted, Number.parseFloat(document.querySelector(`[data-figure=${key}]`)?.textContent ?? '')])
    const odd = [...rates.map((rate) => [1, rate]), ...read].filter(([wanted = 0, rate = 0]) => !(Math.abs(rate - wanted) <= 0.1 * wanted + 1e-9))
    const counts = {
      publishers: all('[data-flow-node=publisher]').length,
      topics: all('[data-flow-node=topic]').length,
      subscribers: all('[data-flow-node=client], [data-flow-node=group]').length,
      in: all('[data-flow-line=in]').length,
      out: all('[data-flow-line=out]').length,
      stubs: all('[data-flow-stub]').length,
    }
    return { counts, odd }
  }, FIGURES)
}
