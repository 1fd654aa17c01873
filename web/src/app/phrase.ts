// A pass phrase that can be read out and typed: 72 random bits as twelve syllables.
const FIRST = 'bdfghjklmnprstvz'
const SECOND = 'aiou'

export function passPhrase(bytes: Uint8Array = crypto.getRandomValues(new Uint8Array(12))): string {
  let phrase = ''
  bytes.forEach((byte, at) => {
    if (at > 0 && at % 3 === 0) phrase += '-'
    phrase += FIRST.charAt(byte & 15) + SECOND.charAt((byte >> 4) & 3)
  })
  return phrase
}

export type Weakness = 'length' | 'characters' | 'kinds'

/** What the broker would refuse a password for, found before it is sent. */
export function weakness(password: string): Weakness | null {
  if (password.length < 8 || password.length > 64) return 'length'
  if (!/^[\x20-\x7e]*$/.test(password)) return 'characters'
  const kinds = [/[a-z]/i, /[0-9]/, /[^a-z0-9]/i].filter((kind) => kind.test(password)).length
  return kinds < 2 ? 'kinds' : null
}
