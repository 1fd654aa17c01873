// Which dialogs the page has, by its source, and which of them are open, by the components that are on the page:
// so that none is left out of a check of all.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url))
/** Of others. */
const FRAMES = new Set(['AppDialog', 'FormDialog'])

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.vue'))
const names = files.map((path) => ({ path, name: basename(path, '.vue'), folder: dirname(path) }))

/** Components with a dialog, by their paths. */
export const DIALOGS = names.filter(({ path, name }) => !FRAMES.has(name) && /<(App|Form)Dialog\b/.test(readFileSync(join(SOURCE, path), 'utf8'))).map(({ path }) => path)

/** Those that are open, by their paths. @param {import('playwright-core').Page} page @returns {Promise<string[]>} */
export async function openDialogs(page) {
  const chains = await page.evaluate((frame) => {
    /** @typedef {{ component?: { type: { __name?: string }, subTree: Node } | null, children?: unknown }} Node */
    /** @type {string[][]} */
    const found = []
    const walk = (/** @type {Node} */ node, /** @type {string[]} */ above) => {
      if (node.component) {
        const own = node.component.type.__name ?? ''
        if (own === frame) found.push(above)
        walk(node.component.subTree, [...above, own])
      }
      if (Array.isArray(node.children)) for (const child of node.children) if (typeof child === 'object' && child !== null) walk(child, above)
    }
    // What Vue keeps at the element that it was mounted to, also of a build for use.
    const root = /** @type {{ _vnode?: Node }} */ (Object.assign(document.querySelector('#app') ?? {}))._vnode
    if (root) walk(root, [])
    return found
  }, 'AppDialog')
  return chains.flatMap((chain) => {
    const owner = chain.findLast((name) => !FRAMES.has(name))
    const same = names.filter(({ name }) => name === owner)
    // Of two of one name the one whose neighbours are there.
    const near = same.filter(({ folder }) => names.some((other) => other.folder === folder && other.name !== owner && chain.includes(other.name)))
    return (same.length === 1 ? same : near).map(({ path }) => path)
  })
}
