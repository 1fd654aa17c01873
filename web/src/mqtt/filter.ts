// What may be a topic and what a topic filter, so that a form can say so before the broker does.
export type FilterFault = 'empty' | 'long' | 'nul' | 'hash' | 'plus' | 'share'
export type TopicFault = 'empty' | 'long' | 'nul' | 'wildcard'

const BYTES_MAX = 65_535

export function filterFault(filter: string): FilterFault | null {
  const general = generalFault(filter)
  if (general !== null) return general
  const levels = filter.split('/')
  if (levels[0] === '$share' && (levels.length < 3 || !levels[1] || /[+#]/.test(levels[1]) || (levels.length === 3 && levels[2] === ''))) {
    return 'share'
  }
  for (const [at, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || at !== levels.length - 1)) return 'hash'
    if (level.includes('+') && level !== '+') return 'plus'
  }
  return null
}

export function topicFault(topic: string): TopicFault | null {
  return generalFault(topic) ?? (/[+#]/.test(topic) ? 'wildcard' : null)
}

function generalFault(text: string): 'empty' | 'long' | 'nul' | null {
  if (text === '') return 'empty'
  if (text.includes('\0')) return 'nul'
  return new TextEncoder().encode(text).length > BYTES_MAX ? 'long' : null
}

/** Whether a topic is among those a filter names; `$`-topics only if the filter names that level. */
export function matches(filter: string, topic: string): boolean {
  const plain = filter.startsWith('$share/') ? filter.split('/').slice(2) : filter.split('/')
  const levels = topic.split('/')
  if (topic.startsWith('$') && (plain[0] === '+' || plain[0] === '#')) return false
  for (const [at, level] of plain.entries()) {
    if (level === '#') return true
    if (at >= levels.length || (level !== '+' && level !== levels[at])) return false
  }
  return plain.length === levels.length
}
