// How well an entry of the palette fits what is typed.
export interface Findable {
  readonly title: string
  /** Words by which it is found, too. */
  readonly hint: string
}

/** 0 for what does not fit; more is better. Every word typed must be in the title or the hint. */
export function score(entry: Findable, typed: string): number {
  const title = entry.title.toLowerCase()
  const hint = entry.hint.toLowerCase()
  let sum = 1
  for (const word of typed.toLowerCase().split(/\s+/)) {
    if (word === '') continue
    const at = title.indexOf(word)
    if (at === 0) sum += title === word ? 12 : 8
    else if (at > 0) sum += /[\s._/-]/.test(title.charAt(at - 1)) ? 5 : 3
    else if (hint.includes(word)) sum += 1
    else return 0
  }
  return sum
}

/** The best of each kind, in the order in which they came where they fit equally. */
export function best<E extends Findable>(entries: readonly E[], typed: string, most: number): E[] {
  return entries
    .map((entry) => ({ entry, score: score(entry, typed) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .map((one) => one.entry)
}
