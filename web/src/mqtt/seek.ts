// Which messages are shown. Each is looked at once for a search: thousands are kept, and the list is drawn
// anew many times a second.
import { matches } from './filter'
import type { Message } from './message'

export interface Wanted {
  /** In the topic or the payload, whatever its case. */
  readonly text: string
  readonly direction: 'all' | 'in' | 'out'
  /** Empty: every topic. */
  readonly filter: string
}

export function seeker({ text, direction, filter }: Wanted): (message: Message) => boolean {
  if (text === '' && direction === 'all' && filter === '') return () => true
  const known = new WeakMap<Message, boolean>()
  const wanted = text.toLowerCase()
  const decoder = new TextDecoder()

  function fits(message: Message): boolean {
    if (direction !== 'all' && message.isOut !== (direction === 'out')) return false
    if (filter !== '' && !matches(filter, message.topic)) return false
    return wanted === '' || message.topic.toLowerCase().includes(wanted) || decoder.decode(message.payload).toLowerCase().includes(wanted)
  }

  return (message) => {
    const before = known.get(message)
    if (before !== undefined) return before
    const now = fits(message)
    known.set(message, now)
    return now
  }
}
