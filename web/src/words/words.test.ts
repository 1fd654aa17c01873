import { describe, expect, it } from 'vitest'

import en from './en'
import { GLOSSARY, inEnglish, type Term } from './glossary'
import { preferred } from './index'
import zh from './zh'

type Tree = { readonly [key: string]: string | Tree }

function flat(tree: Tree, under = ''): Map<string, string> {
  const all = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') all.set(under + key, value)
    else for (const [k, v] of flat(value, `${under}${key}.`)) all.set(k, v)
  }
  return all
}

const chinese = flat(zh)
const english = flat(en)

describe('words', () => {
  it('are there in both languages, with the same values in them', () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort())
    const slots = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()
    for (const [key, text] of chinese) {
      expect(text.trim(), key).not.toBe('')
      expect(english.get(key)?.trim(), key).not.toBe('')
      expect(slots(english.get(key) ?? ''), key).toEqual(slots(text))
    }
  })

  it('are translated', () => {
    for (const [key, text] of english) expect(text, key).not.toMatch(/[\u3400-\u9fff]/)
    // What has no Chinese character is a name that both languages share.
    const shared = [...chinese].filter(([, text]) => !/[\u3400-\u9fff]/.test(text))
    for (const [key, text] of shared) expect(english.get(key), key).toBe(text)
  })

  it('are those of the glossary', () => {
    const terms: Term[] = Object.values(GLOSSARY)
    const others = terms.flatMap((term) => term.not.map((other) => ({ other, zh: term.zh })))
    const wrong = [...chinese].flatMap(([key, text]) => others.filter(({ other }) => text.includes(other)).map(({ other, zh }) => `${key}: ${other} is called ${zh}`))
    expect(wrong).toEqual([])
  })

  it('are told in English where they are terms', () => {
    expect(inEnglish('心跳间隔（秒）')).toBe('Keep Alive')
    expect(inEnglish('无人订阅')).toBe('no subscriber')
    expect(inEnglish('地址')).toBeUndefined()
  })

  it('follow what was chosen, then the browser', () => {
    expect(preferred('en', ['zh-CN'])).toBe('en')
    expect(preferred(null, ['de', 'zh-TW', 'en'])).toBe('zh')
    expect(preferred(null, ['fr', 'en-US'])).toBe('en')
    expect(preferred(null, ['fr'])).toBe('en')
    expect(preferred(null, [])).toBe('zh')
  })
})
