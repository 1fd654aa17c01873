// What the page's main thread does, from the browser's own trace: CPU time, not the time that passes while
// others have the processor.

/** Microseconds in a millisecond. */
const MICRO = 1000
const TASK = 'ThreadControllerImpl::RunTask'
const CATEGORIES = ['toplevel', '__metadata', 'blink.user_timing']

/**
 * @typedef {{ name: string, pid: number, tid: number, ph: string, ts: number, dur?: number, tdur?: number, args?: { name?: string } }} Event
 * @typedef {{ longestMs: number, cpuMs: number, tasks: number }} Work
 */

/**
 * Traces while something is done.
 * @param {import('playwright-core').Page} page @param {() => Promise<unknown>} act @returns {Promise<Work>}
 */
export async function traced(page, act) {
  const session = await page.context().newCDPSession(page)
  /** @type {Event[]} */
  const events = []
  const marker = `main ${Math.random()}`
  session.on('Tracing.dataCollected', ({ value }) => {
    for (const one of value) events.push(/** @type {Event} */ (/** @type {unknown} */ (one)))
  })
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { recordMode: 'recordAsMuchAsPossible', includedCategories: CATEGORIES } })
  // By this mark the thread is known among those of all pages.
  await page.evaluate((name) => performance.mark(name), marker)
  await act()
  const done = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await done
  await session.detach()
  const mark = events.find((one) => one.name === marker)
  if (mark === undefined) throw new Error('the trace has no mark of the page')
  const tasks = events.filter((one) => one.name === TASK && one.pid === mark.pid && one.tid === mark.tid)
  if (tasks.length === 0) throw new Error('the trace has no tasks of the page')
  const times = tasks.map((one) => (one.tdur ?? 0) / MICRO)
  return { longestMs: times.reduce((a, b) => Math.max(a, b), 0), cpuMs: times.reduce((a, b) => a + b, 0), tasks: tasks.length }
}
