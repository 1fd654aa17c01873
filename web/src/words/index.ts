// All words of the page, in one language at a time. A key that does not exist is an error of types; the
// two languages have the same keys, which is one, too.
import { createI18n } from 'vue-i18n'

import type zh from './zh'

export type Lang = 'zh' | 'en'
export const LANGS: readonly Lang[] = ['zh', 'en']

type Tree = { readonly [key: string]: string | Tree }
/** The same keys, other words. */
export type Same<T> = { readonly [K in keyof T]: T[K] extends string ? string : Same<T[K]> }
type Path<T> = {
  [K in keyof T & string]: T[K] extends string ? K : `${K}.${Path<T[K]>}`
}[keyof T & string]

export type Words = Same<typeof zh>
export type Key = Path<Words>

const LOAD: Record<Lang, () => Promise<{ default: Tree }>> = {
  zh: () => import('./zh'),
  en: () => import('./en'),
}
const KEPT = 'ternmq-lang'

export const i18n = createI18n({
  legacy: false,
  locale: 'zh',
  messages: {} as Record<Lang, Tree>,
  missing: (lang, key) => {
    throw new Error(`no words for ${key} in ${lang}`)
  },
})

/** The words for a key, with values for what stands in braces. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return i18n.global.t(key, values)
}

/** The same for keys put together while the page runs; `undefined` if there is none. */
export function maybe(key: string, values: Record<string, string | number> = {}): string | undefined {
  return i18n.global.te(key) ? i18n.global.t(key, values) : undefined
}

export function lang(): Lang {
  return i18n.global.locale.value as Lang
}

/** For what formats numbers and dates. */
export function locale(): string {
  return lang() === 'zh' ? 'zh-CN' : 'en-GB'
}

export async function speak(chosen: Lang): Promise<void> {
  if (!i18n.global.availableLocales.includes(chosen)) {
    i18n.global.setLocaleMessage(chosen, (await LOAD[chosen]()).default)
  }
  i18n.global.locale.value = chosen
  document.documentElement.lang = chosen === 'zh' ? 'zh-CN' : 'en'
  localStorage.setItem(KEPT, chosen)
}

/** What was chosen before, else the browser's first language that we speak, else Chinese. */
export function preferred(kept: string | null, wanted: readonly string[]): Lang {
  if (kept === 'zh' || kept === 'en') return kept
  for (const one of wanted) {
    if (/^zh/i.test(one)) return 'zh'
    if (/^en/i.test(one)) return 'en'
  }
  return wanted.length === 0 ? 'zh' : 'en'
}

export function speakPreferred(): Promise<void> {
  return speak(preferred(localStorage.getItem(KEPT), navigator.languages))
}
