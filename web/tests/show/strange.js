// Words of a page that are in another language than the page, or in none.

/**
 * In English every sign of Chinese; in Chinese a sentence without any, or the name of a text instead of it. What
 * clients and programs are called is in no language, nor is what is marked as another; what is for browsers without
 * scripts is in both.
 * @param {import('playwright-core').Page} page @param {'zh' | 'en'} lang @returns {Promise<string[]>}
 */
export function strangeWords(page, lang) {
  return page.evaluate((own) => {
    const CHINESE = /[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]/
    const SENTENCE = /[a-z]{2,} [a-z]{2,} [a-z]{2,}/i
    const KEY = /^[a-z]\w*(\.\w+)+$/
    const ELSEWHERE = `noscript, code, pre, kbd, samp, textarea, .mono, .odd, [lang]:not(html), option[value]`
    const ATTRIBUTES = own === 'en' ? ['title', 'aria-label', 'placeholder', 'alt'] : ['aria-label', 'placeholder', 'alt']
    const isStrange = (/** @type {string} */ text) => (own === 'en' ? CHINESE.test(text) : KEY.test(text) || (!CHINESE.test(text) && SENTENCE.test(text)))
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
  }, lang)
}
