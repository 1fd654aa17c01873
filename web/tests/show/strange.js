// Words of a page that are in another language than the page, or in none.
import { fileURLToPath } from 'node:url'

import { runnerImport } from 'vite'

/** @typedef {{ readonly [key: string]: string | Tree }} Tree */

/** All words of a language, in their order. @param {'zh' | 'en'} lang */
async function words(lang) {
  const { module } = await runnerImport(fileURLToPath(new URL(`../../src/words/${lang}/index.ts`, import.meta.url)))
  return leaves(/** @type {{ default: Tree }} */ (module).default)
}

/** @param {Tree | string} tree @returns {string[]} */
function leaves(tree) {
  return typeof tree === 'string' ? [tree] : Object.keys(tree).sort().flatMap((key) => leaves(tree[key] ?? ''))
}

/** The words of the other language that are none of the own. Small ones alone are also what programs call things. */
const OTHERS = Promise.all([words('zh'), words('en')]).then(([zh, en]) => {
  const foreign = (/** @type {string[]} */ own, /** @type {string[]} */ other) => other.filter((text) => !own.includes(text) && !/^[a-z_]+$/.test(text))
  return { zh: foreign(zh, en), en: foreign(en, zh) }
})

/**
 * In English every sign of Chinese; in Chinese a sentence without any, and whatever the page says in English; in both
 * the name of a text instead of it. What clients and programs are called is in no language, nor is what is marked as
 * another; what is for browsers without scripts is in both.
 * @param {import('playwright-core').Page} page @param {'zh' | 'en'} lang @returns {Promise<string[]>}
 */
export async function strangeWords(page, lang) {
  const others = (await OTHERS)[lang]
  return page.evaluate(({ own, foreign }) => {
    const CHINESE = /[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]/
    const SENTENCE = /[a-z]{2,} [a-z]{2,} [a-z]{2,}/i
    const KEY = /^[a-z]\w*(\.\w+)+$/
    const ELSEWHERE = `noscript, code, pre, kbd, samp, textarea, .mono, .odd, [lang]:not(html), option[value]`
    const ATTRIBUTES = own === 'en' ? ['title', 'aria-label', 'placeholder', 'alt'] : ['aria-label', 'placeholder', 'alt']
    const theirs = new Set(foreign)
    const isStrange = (/** @type {string} */ text) => KEY.test(text) || (own === 'en' ? CHINESE.test(text) : theirs.has(text) || (!CHINESE.test(text) && SENTENCE.test(text)))
    /** @type {string[]} */
    const found = []
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const text = (node.nodeValue ?? '').trim()
      if (isStrange(text) && node.parentElement?.closest(ELSEWHERE) === null) found.push(text)
    }
    for (const element of document.body.querySelectorAll('*')) {
      for (const name of ATTRIBUTES) {
        const text = element.getAttribute(name) ?? ''
        if (isStrange(text) && element.closest(ELSEWHERE) === null) found.push(`${name}: ${text}`)
      }
    }
    if (own === 'en' && CHINESE.test(document.title)) found.push(`title of the page: ${document.title}`)
    return [...new Set(found)]
  }, { own: lang, foreign: others })
}
