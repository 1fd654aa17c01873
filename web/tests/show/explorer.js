// The topic explorer while 20,000 messages a second come on 10,000 topics: no task of the main thread is long,
// typing answers, and the heap is bounded and flat.
import assert from 'node:assert/strict'

import { startBroker } from '../walk/broker.js'
import { openPage, settled } from '../walk/browser.js'
import { crowd } from './crowd.js'
import { caller, signIn } from './page.js'
import { inWords, staysFlat, TASK_MS, typing, TYPING_MS, watched, watchTyping } from './vitals.js'

const TOPICS = 10_000
const RATE = 20_000
const SEARCH = '[role=search] input'

/** @param {import('playwright-core').Browser} browser @param {string} binary @param {{ loadgen: string | undefined, seconds: number }} how */
export async function showExplorer(browser, binary, { loadgen, seconds }) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'zh', theme: 'light', width: 1366, height: 768 })
  const call = await caller(broker.page, 'public')
  /** @type {Awaited<ReturnType<typeof crowd>> | null} */
  let load = null
  try {
    await signIn(page, broker.page)
    await page.goto(`${broker.page}/topics`)
    await settled(page)
    await watchTyping(page)
    const idle = await searched(page)
    load = await crowd(broker.mqtt, call, loadgen, { shape: 'fanin', pubs: TOPICS, subs: 1, rate: RATE, seconds: 2 * seconds + 60 })
    const tree = page.locator('.both [role=tree]').first()
    const known = await counted(page)
    // Down to where the topics are; what the broker says of itself stands behind them.
    await tree.focus()
    await page.keyboard.press('Home')
    for (let level = 1; level <= 3; level += 1) {
      await page.keyboard.press('ArrowRight')
      await tree.locator(`[role=treeitem][aria-level="${level + 1}"]`).first().waitFor()
      await page.keyboard.press('ArrowRight')
    }
    const leaves = tree.locator('[role=treeitem][aria-level="4"]')
    const work = await watched(page, { seconds, type: () => searched(page) })
    await leaves.first().waitFor()
    const shown = await leaves.count()
    console.log(`explorer: ${known} topics counted (${TOPICS}), ${load.received} messages a second (${RATE}) for ${seconds} s, ${shown} of them drawn; ${inWords(work, idle)}`)
    load.mustRun()
    assert.ok(work.longestMs <= TASK_MS, `a task of ${work.longestMs} ms`)
    assert.ok(idle < TYPING_MS, `typing answered after ${idle} ms`)
    staysFlat(work.heaps)
    assert.deepEqual(faults, [])
  } finally {
    await load?.end()
    await close()
    await broker.end()
  }
}

/** Types what is searched for, and goes back to the tree. @param {import('playwright-core').Page} page */
async function searched(page) {
  const answered = await typing(page, SEARCH)
  await page.fill(SEARCH, '')
  return answered
}

/** Topics that the tree's branches have, when all are there. @param {import('playwright-core').Page} page */
async function counted(page) {
  const all = await page.waitForFunction((wanted) => {
    const told = [...document.querySelectorAll('.both [role=treeitem][aria-level="1"] .line > .soft:not(.rate)')]
    const sum = told.reduce((all, one) => all + Number(/[\d,]+/.exec(one.textContent ?? '')?.[0].replaceAll(',', '') ?? 0), 0)
    return sum >= wanted ? sum : null
  }, TOPICS)
  return all.jsonValue()
}
