// Whom a listener takes by address, as people write it: `allow 10.0.0.0/8`, `deny all`. The first rule that is about
// an address decides; whom none is about comes in.
import { isAddress, isNetwork } from '@/design/address'

export interface AccessRule {
  readonly allows: boolean
  /** `null` is everywhere. */
  readonly network: string | null
}

/** One of each line, or with commas between. */
export function ruleTexts(text: string): string[] {
  return text
    .split(/[\n,，;；]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

export function ruleOf(text: string): AccessRule | null {
  const [, word, whom] = /^(allow|deny)\s+(\S+)$/i.exec(text.trim()) ?? []
  if (word === undefined || whom === undefined) return null
  const allows = word.toLowerCase() === 'allow'
  if (whom.toLowerCase() === 'all') return { allows, network: null }
  return isAddress(whom) || isNetwork(whom) ? { allows, network: whom } : null
}

/** Those that are understood, in their order. */
export function rulesOf(text: string): AccessRule[] {
  return ruleTexts(text).flatMap((one) => ruleOf(one) ?? [])
}

/** As the broker takes it. */
export function written({ allows, network }: AccessRule): string {
  return `${allows ? 'allow' : 'deny'} ${network ?? 'all'}`
}

export interface RuleFault {
  /** It does not begin with `allow` or `deny`, or these are about nothing that is known. */
  readonly of: 'word' | 'whom'
  /** Which of them, from 1. */
  readonly number: number
  readonly part: string
}

/** The first that the broker would refuse. */
export function ruleFault(text: string): RuleFault | null {
  const all = ruleTexts(text)
  const at = all.findIndex((one) => ruleOf(one) === null)
  const part = all[at]
  if (part === undefined) return null
  return { of: /^(allow|deny)(\s|$)/i.test(part) ? 'whom' : 'word', number: at + 1, part }
}

/** What rules come to. */
export interface Outcome {
  /** What becomes of addresses that no rule names. */
  readonly rest: 'in' | 'out'
  readonly takes: 'everybody' | 'nobody' | 'some'
  /** Those that never decide, and the one before them that does, from 1. */
  readonly idle: readonly { readonly number: number; readonly by: number }[]
}

export function outcomeOf(rules: readonly AccessRule[]): Outcome {
  const prefixes = rules.map(({ network }) => (network === null ? '' : prefixOf(network)))
  const before = prefixes.map((prefix, at) => prefixes.findIndex((other, place) => place < at && prefix.startsWith(other)))
  const working = rules.filter((_, at) => before[at] === -1)
  const rest = (rules.find(({ network }) => network === null)?.allows ?? true) ? 'in' : 'out'
  const refuses = working.some(({ allows }) => !allows)
  const takes = rest === 'in' || working.some(({ allows }) => allows)
  return {
    rest,
    takes: !refuses ? 'everybody' : takes ? 'some' : 'nobody',
    idle: before.flatMap((by, at) => (by === -1 ? [] : [{ number: at + 1, by: by + 1 }])),
  }
}

const GROUPS = 8
/** Before the bits of an IPv4 address in IPv6 form. */
const MAPPED = `${'0'.repeat(80)}${'1'.repeat(16)}`

/** Family and bits of a network: another is in it whose text begins with this. */
function prefixOf(network: string): string {
  const [address = '', length] = network.split('/')
  const isSix = address.includes(':')
  const bits = isSix ? sixBits(address) : address.split('.').map((part) => binary(Number(part), 8)).join('')
  const prefix = bits.slice(0, length === undefined ? bits.length : Number(length))
  if (isSix && prefix.startsWith(MAPPED)) return `4${prefix.slice(MAPPED.length)}`
  return (isSix ? '6' : '4') + prefix
}

function sixBits(address: string): string {
  // A URL writes it in one way: small letters, no IPv4 at the end.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const parts = (text: string) => (text === '' ? [] : text.split(':'))
  const [first, last] = [parts(head), parts(tail ?? '')]
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => '0')
  return [...first, ...zeros, ...last].map((group) => binary(Number.parseInt(group, 16), 16)).join('')
}

function binary(n: number, length: number): string {
  return n.toString(2).padStart(length, '0')
}
