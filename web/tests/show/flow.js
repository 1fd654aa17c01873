// The flow picture: exactly what the tutorial's scripts do, and what it costs when 9,000 clients send 20,000
// messages a second.
import assert from 'node:assert/strict'

import { startBroker, startNeighbour } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { settles, stays, TUTORIAL, WITHOUT_SUBSCRIBER } from '../walk/flow.js'
import { crowd } from './crowd.js'
import { caller, PASSWORD, setPassword, signIn } from './page.js'
import { PAHO, python, script } from './python.js'
import { framed } from './trace.js'

const LOOK = /** @type {const} */ ({ lang: 'zh', theme: 'light', width: 1366, height: 768 })
/** Within which the picture is right, and for how long it is held to that. */
const SETTLED_MS = 12_000
const HELD_MS = 10_000
/** Within which the second stub is there. */
const GONE_MS = 2_000
/** Of a rate. */
const SLACK = 0.1

const CLIENTS = 9_000
const RATE = 20_000
const MEASURED_SECS = 20
/** Connecting, being seen by the picture, and being measured. */
const LOAD_SECS = 90
/** Most of them send something in every second. */
const DRAWN = 0.9
const FRAME_MS = 8
const FEED_BYTES = 20 * 1024

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showTutorialFlow(browser, binary) {
  for (const paho of PAHO) {
    const program = await python(paho)
    const broker = await startNeighbour(binary)
    const { page, faults, close } = await openPage(browser, broker.page, LOOK)
    const scripts = [script(program, 'subscriber', broker.host), script(program, 'publisher', broker.host)]
    try {
      await signIn(page, broker.page)
      await settles(page, TUTORIAL, SETTLED_MS)
      const { least, most } = await stays(page, HELD_MS)
      await scripts[0]?.stop()
      const stopped = Date.now()
      await settles(page, WITHOUT_SUBSCRIBER, GONE_MS, false)
      console.log(
        `flow: paho-mqtt ${paho}: ${Object.entries(TUTORIAL).map(([what, n]) => `${what} ${n}`).join(', ')}, for ${HELD_MS / 1000} s; rates of lines, stubs and figures ` +
          `${least.toFixed(2)} to ${most.toFixed(2)} of what they are (${1 - SLACK} to ${1 + SLACK}); two stubs ${Date.now() - stopped} ms after the subscriber's end (<= ${GONE_MS})`,
      )
      assert.ok(least >= 1 - SLACK - 1e-9 && most <= 1 + SLACK + 1e-9, 'a rate is further off')
      assert.deepEqual(faults, [])
    } finally {
      for (const one of scripts) await one.stop()
      await close()
      await broker.end()
    }
  }
}

/** @param {import('playwright-core').Browser} browser @param {string} binary @param {string | undefined} loadgen */
export async function showCrowdedFlow(browser, binary, loadgen) {
  const broker = await startBroker(binary)
  await setPassword(broker.page)
  const { page, faults, close } = await openPage(browser, broker.page, LOOK)
  const half = CLIENTS / 2
  const load = await crowd(broker.mqtt, await caller(broker.page), loadgen, { shape: 'pair', pubs: half, subs: half, rate: RATE, seconds: LOAD_SECS })
  try {
    await signIn(page, broker.page, PASSWORD)
    await page.locator('[data-flow]').scrollIntoViewIfNeeded()
    await page.waitForSelector('[data-flow-node]')
    const feed = await feedOf(page)
    // What comes once, when the page opens, is not what a second costs.
    await page.waitForTimeout(SETTLED_MS)
    feed.bytes = 0
    const work = await framed(page, () => page.waitForTimeout(MEASURED_SECS * 1000))
    const perSecond = feed.bytes / MEASURED_SECS
    const drawn = await columns(page)
    console.log(
      `flow: ${load.clients} clients (${CLIENTS}), ${load.received} messages a second (${RATE}), drawn as ${drawn.join(', ')} publishers, topics, subscribers: ` +
        `${work.frames} frames in ${MEASURED_SECS} s, work of each ${work.meanMs.toFixed(1)} ms on average, ${work.p99Ms.toFixed(1)} ms of 99 in 100, ` +
        `${work.worstMs.toFixed(1)} ms the most (<= ${FRAME_MS}); feed ${(perSecond / 1024).toFixed(1)} KB/s (<= ${FEED_BYTES / 1024})`,
    )
    load.mustRun()
    assert.ok(drawn.length === 3 && drawn.every((n) => n >= DRAWN * half), `drawn are ${drawn.join(', ')} of ${half} each`)
    assert.ok(work.frames > MEASURED_SECS, 'no frames were drawn')
    assert.ok(work.worstMs <= FRAME_MS, `${work.worstMs} ms of work in a frame`)
    assert.ok(perSecond > 0 && perSecond <= FEED_BYTES, `${perSecond} bytes a second`)
    assert.deepEqual(faults, [])
  } finally {
    await load.end()
    await close()
    await broker.end()
  }
}

/** How many each column stands for. @param {import('playwright-core').Page} page */
async function columns(page) {
  const heads = await page.locator('[data-flow] .heads .head').allTextContents()
  return heads.map((text) => Number(text.replaceAll(/\D/g, '')))
}

/** Counts what the live feed takes on the wire. @param {import('playwright-core').Page} page */
async function feedOf(page) {
  const feed = { bytes: 0 }
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  // What was open before is told of, too: nothing else that this page has open goes on.
  session.on('Network.dataReceived', ({ encodedDataLength, dataLength }) => (feed.bytes += encodedDataLength || dataLength))
  return feed
}
