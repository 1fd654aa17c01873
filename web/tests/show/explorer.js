// The topic explorer while 20,000 messages a second come on 10,000 topics: no task of the main thread is long,
// typing answers, and the heap is bounded and flat.
import assert from 'node:assert/strict'

import { startBroker } from '../walk/broker.js'
import { openPage, settled } from '../walk/browser.js'
import { crowd } from './crowd.js'
import { caller, signIn } from './page.js'
import { inMegabytes, staysFlat, TASK_MS, typing, TYPING_MS, watched, watchTyping } from './vitals.js'

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
    const idle = await typing(page, SEARCH)
    await page.fill(SEARCH, '')
    load = await crowd(broker.mqtt, call, loadgen, { shape: 'fanin', pubs: TOPICS, subs: 1, rate: RATE, seconds: seconds + 60 })
    const tree = page.locator('.both [role=tree]').first()
    // Down to where the topics are.
    for (let level = 1; level <= 3; level += 1) {
      await tree.locator(`[role=treeitem][aria-level="${level}"]:not([aria-expanded=true])`).first().waitFor()
      await tree.focus()
      await page.keyboard.press('End')
      await page.keyboard.press('ArrowRight')
    }
    await tree.locator('[role=treeitem][aria-level="4"]').first().waitFor()
    const { longestMs, share, typingMs, heaps } = await watched(page, { seconds, field: SEARCH })
    const shown = await tree.locator('[role=treeitem]').count()
    console.log(
      `explorer: ${TOPICS} topics, ${RATE} messages a second for ${seconds} s, ${shown} rows drawn; longest task ${longestMs.toFixed(0)} ms CPU, ` +
        `${(share * 100).toFixed(0)} % of a core; typing ${idle.toFixed(0)} ms idle, ${typingMs.toFixed(0)} ms busy; ${inMegabytes(heaps)}`,
    )
    load.mustRun()
    assert.ok(longestMs <= TASK_MS, `a task of ${longestMs} ms`)
    assert.ok(idle < TYPING_MS, `typing answered after ${idle} ms`)
    staysFlat(heaps)
    assert.deepEqual(faults, [])
  } finally {
    await load?.end()
    await close()
    await broker.end()
  }
}
