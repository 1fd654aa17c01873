// What the page's main thread does, from the browser's own trace: CPU time, not the time that passes while
// others have the processor.

/** Microseconds in a millisecond. */
const MICRO = 1000
const TASK = 'ThreadControllerImpl::RunTask'
const FRAME = 'BeginMainThreadFrame'
const CATEGORIES = ['toplevel', '__metadata', 'blink.user_timing']
const FRAMES = [...CATEGORIES, 'disabled-by-default-devtools.timeline', 'devtools.timeline.frame', 'disabled-by-default-devtools.timeline.frame']

/**
 * @typedef {{ name: string, pid: number, tid: number, ph: string, ts: number, dur?: number, tdur?: number, args?: { name?: string } }} Event
 * @typedef {{ longestMs: number, cpuMs: number, tasks: number }} Work
 */

/**
 * What the page's main thread did meanwhile, in the order of time.
 * @param {import('playwright-core').Page} page @param {() => Promise<unknown>} act @param {string[]} categories @returns {Promise<Event[]>}
 */
async function recorded(page, act, categories) {
  const session = await page.context().newCDPSession(page)
  /** @type {Event[]} */
  const events = []
  const marker = `main ${Math.random()}`
  session.on('Tracing.dataCollected', ({ value }) => {
    for (const one of value) events.push(/** @type {Event} */ (/** @type {unknown} */ (one)))
  })
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { recordMode: 'recordAsMuchAsPossible', includedCategories: categories } })
  // By this mark the thread is known among those of all pages.
  await page.evaluate((name) => performance.mark(name), marker)
  await act()
  const done = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await done
  await session.detach()
  const mark = events.find((one) => one.name === marker)
  if (mark === undefined) throw new Error('the trace has no mark of the page')
  return events.filter((one) => one.pid === mark.pid && one.tid === mark.tid).sort((a, b) => a.ts - b.ts)
}

/** @param {readonly Event[]} events */
function tasksOf(events) {
  const tasks = events.filter((one) => one.name === TASK)
  if (tasks.length === 0) throw new Error('the trace has no tasks of the page')
  return tasks.map((one) => ({ ts: one.ts, ms: (one.tdur ?? 0) / MICRO }))
}

/**
 * Traces while something is done.
 * @param {import('playwright-core').Page} page @param {() => Promise<unknown>} act @returns {Promise<Work>}
 */
export async function traced(page, act) {
  const times = tasksOf(await recorded(page, act, CATEGORIES)).map((one) => one.ms)
  return { longestMs: times.reduce((a, b) => Math.max(a, b), 0), cpuMs: times.reduce((a, b) => a + b, 0), tasks: times.length }
}

/**
 * The same by frames: all that was done from the beginning of one to that of the next.
 * @param {import('playwright-core').Page} page @param {() => Promise<unknown>} act
 */
export async function framed(page, act) {
  const events = await recorded(page, act, FRAMES)
  const begins = events.filter((one) => one.name === FRAME).map((one) => one.ts)
  const tasks = tasksOf(events)
  let at = 0
  const frames = begins.slice(1).map((end, n) => {
    while ((tasks[at]?.ts ?? Infinity) < (begins[n] ?? 0)) at += 1
    let ms = 0
    for (; (tasks[at]?.ts ?? Infinity) < end; at += 1) ms += tasks[at]?.ms ?? 0
    return ms
  })
  const sorted = frames.toSorted((a, b) => a - b)
  return {
    frames: frames.length,
    meanMs: frames.reduce((a, b) => a + b, 0) / Math.max(1, frames.length),
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    worstMs: sorted.at(-1) ?? 0,
  }
}
