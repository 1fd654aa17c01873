// What may be written for a setting. The API says it in a sentence, from the same table as the broker's
// own check; here the sentence is read, so that a wrong value is told before it is sent. A sentence that is
// not understood asks for any text, and the broker decides.
import { isAddress, isNetwork } from '@/design/address'
import { spanText } from '@/design/until'
import { ruleOf, ruleTexts, written } from '@/pages/listeners/access-rule'
import { duration } from '@/words/format'

export type Item = 'bind' | 'network' | 'host' | 'origin'
export type Measure = 'whole' | 'number' | 'size' | 'time'

export type Form =
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly words: readonly string[] }
  | { readonly kind: 'list'; readonly of: Item }
  /** Several of these words. */
  | { readonly kind: 'words'; readonly none: boolean; readonly words: readonly string[] }
  /** Whom a listener takes by address. */
  | { readonly kind: 'rules' }
  /** So many, or so much, in a time. */
  | { readonly kind: 'rate'; readonly none: boolean; readonly of: 'whole' | 'size' }
  | { readonly kind: Measure; readonly none: boolean; readonly min?: string; readonly max?: string }
  | { readonly kind: 'text'; readonly none: boolean }

const MEASURES: readonly (readonly [string, Measure])[] = [
  ['a whole number', 'whole'],
  ['a number', 'number'],
  ['a size', 'size'],
  ['a time', 'time'],
]
const ITEMS: readonly (readonly [string, Item])[] = [
  ['a port', 'bind'],
  ['an address or a network', 'network'],
  ['a host name', 'host'],
  ['an origin', 'origin'],
]
const NONE = '"none" or '
const LIST = ', or a list of these'
/** `"a" | "b"` */
const WORDS = /^"[^"]*"( \| "[^"]*")+$/
const wordsOf = (text: string) => [...text.matchAll(/"([^"]*)"/g)].map((found) => found[1] ?? '')

/** `allowed` is the English sentence. */
export function formOf(allowed: string): Form {
  if (allowed === 'true | false') return { kind: 'switch' }
  if (allowed.startsWith('a list such as ["allow ')) return { kind: 'rules' }
  if (WORDS.test(allowed)) return { kind: 'choice', words: wordsOf(allowed) }
  const none = allowed.startsWith(NONE)
  const form = none ? allowed.slice(NONE.length) : allowed
  const each = form.endsWith(LIST) ? form.slice(0, -LIST.length) : ''
  if (WORDS.test(each)) return { kind: 'words', none, words: wordsOf(each) }
  if (form.startsWith('a rate')) return { kind: 'rate', none, of: /"\d+[KMG]B\//.test(form) ? 'size' : 'whole' }
  const measure = MEASURES.find(([start]) => form.startsWith(start))?.[1]
  if (measure !== undefined) {
    const [, min, max] = /, (\S+) to (\S+)$/.exec(form) ?? []
    return { kind: measure, none, ...(min !== undefined && max !== undefined ? { min, max } : {}) }
  }
  const item = ITEMS.find(([start]) => form.startsWith(start))?.[1]
  return item !== undefined && each !== '' ? { kind: 'list', of: item } : { kind: 'text', none }
}

const SIZES: Record<string, number> = { '': 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 }
const TIMES: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** A value of a measure as a number that can be compared; null if it is none. */
export function amount(kind: Measure, text: string): number | null {
  if (kind === 'whole') return /^\d+$/.test(text) ? Number(text) : null
  if (kind === 'number') return /^\d+(\.\d+)?$/.test(text) ? Number(text) : null
  if (kind === 'size') {
    const [, digits, unit] = /^(\d+)([KMG]B)?$/i.exec(text) ?? []
    return digits === undefined ? null : Number(digits) * (SIZES[(unit ?? '').toLowerCase()] ?? 1)
  }
  if (!/^(\d+(d|h|ms|m|s))+$/.test(text)) return null
  return [...text.matchAll(/(\d+)([a-z]+)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * (TIMES[unit ?? ''] ?? 0), 0)
}

const SECOND_MS = 1000
const MINUTE_S = 60

/** A time of the API in words. */
export function spanOf(text: string): string {
  const secs = (amount('time', text) ?? 0) / SECOND_MS
  return secs >= MINUTE_S && secs % MINUTE_S === 0 ? spanText(secs) : duration(secs)
}

const FITS: Record<Item, (text: string) => boolean> = {
  bind: (text) => {
    const [, address, port] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
    const host = address?.replace(/^\[(.*)\]$/, '$1')
    return port !== undefined && Number(port) <= 65_535 && (host === undefined || isAddress(host))
  },
  network: (text) => isAddress(text) || isNetwork(text),
  host: (text) => /^(\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)$/.test(text),
  origin: (text) => text === '*' || text === 'null' || /^[a-z][a-z0-9+.-]*:\/\/[^\s/]*$/i.test(text),
}

/** One of each line, or with commas between. */
export function items(text: string): string[] {
  return text.split(/[\s,，]+/).filter((item) => item !== '')
}

const DAY_MS = 86_400_000

/** Without a time it is of a second; `5m` is five minutes, `m` one. */
function isRate(of: 'whole' | 'size', text: string): boolean {
  const [much = '', long = 's', more] = text.split('/').map((part) => part.trim())
  const millis = amount('time', /^\d/.test(long) ? long : `1${long}`) ?? 0
  return more === undefined && (amount(of, much) ?? 0) > 0 && millis > 0 && millis <= DAY_MS
}

/** Whether several are written, one on each line. */
export function isList({ kind }: Form): boolean {
  return kind === 'list' || kind === 'words' || kind === 'rules'
}

export type Fault = 'form' | 'range' | 'empty' | null

/** What is wrong with what was typed, and with which part of it. */
export function faultOf(form: Form, typed: string): { fault: Fault; part: string } {
  const text = typed.trim()
  const told = (fault: Fault, part = text) => ({ fault, part })
  if (form.kind === 'list') {
    const wrong = items(text).find((item) => !FITS[form.of](item))
    if (wrong !== undefined) return told('form', wrong)
    return told(form.of === 'bind' && items(text).length === 0 ? 'empty' : null)
  }
  if (form.kind === 'rules') {
    const wrong = ruleTexts(text).find((rule) => ruleOf(rule) === null)
    return wrong === undefined ? told(null) : told('form', wrong)
  }
  if (form.kind === 'words') {
    const wrong = form.none && text === 'none' ? undefined : items(text).find((word) => !form.words.includes(word))
    return wrong === undefined ? told(null) : told('form', wrong)
  }
  if (form.kind === 'switch' || form.kind === 'choice') return told(null)
  if (text === '') return told('empty')
  if (form.kind === 'text' || (form.none && text === 'none')) return told(null)
  if (form.kind === 'rate') return told(isRate(form.of, text) ? null : 'form')
  const n = amount(form.kind, text)
  if (n === null) return told('form')
  const { kind, min, max } = form
  const isLess = min !== undefined && n < (amount(kind, min) ?? n)
  const isMore = max !== undefined && n > (amount(kind, max) ?? n)
  return told(isLess || isMore ? 'range' : null)
}

/** What was typed, as the API takes it. */
export function valueOf(form: Form, typed: string): unknown {
  const text = typed.trim()
  if (form.kind === 'switch') return text === 'true'
  if (form.kind === 'rules') return ruleTexts(text).map((rule) => written(ruleOf(rule) ?? { allows: true, network: null }))
  if (form.kind === 'words' && !(form.none && text === 'none')) return items(text)
  if (form.kind === 'list') return items(text).map((item) => (form.of === 'bind' && /^\d+$/.test(item) ? Number(item) : item))
  const isNumber = form.kind === 'whole' || form.kind === 'number' || (form.kind === 'size' && /^\d+$/.test(text))
  return isNumber && text !== 'none' ? Number(text) : text
}

/** A value of the API as it is typed. */
export function typedOf(value: unknown): string {
  return Array.isArray(value) ? value.map(String).join('\n') : String(value)
}
