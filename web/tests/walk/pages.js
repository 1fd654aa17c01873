// Every page of the dashboard that shows something without being told of what, as its address bar has it.
import { readFileSync } from 'node:fs'

const served = /** @type {string[]} */ (JSON.parse(readFileSync(new URL('../../src/app/pages.json', import.meta.url), 'utf8')))
/** Of one client, of one trace, and for whoever has its key. */
const OF_ONE = new Set(['/clients/detail', '/traces/view', '/wall'])

export const PAGES = served.filter((path) => !OF_ONE.has(path))
