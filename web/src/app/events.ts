// A stream of server-sent events as it comes: pieces of text that end anywhere.
export interface Told {
  readonly event: string
  readonly data: string
}

/** Takes pieces, and gives the events that are whole with them. */
export function reader(): (piece: string) => Told[] {
  let rest = ''
  return (piece) => {
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop() ?? ''
    return blocks.map(told).filter((one) => one !== null)
  }
}

/** A block without a name is a comment that keeps the stream open. */
function told(block: string): Told | null {
  let event = ''
  const data: string[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  return event === '' ? null : { event, data: data.join('\n') }
}
