// Addresses as people type them.
/** Whether a text is an address as far as the API takes it: a part of one is none. */
export function isAddress(text: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split('.').every((part) => /^(0|[1-9]\d*)$/.test(part) && Number(part) <= 255)
  return text.includes(':') && URL.canParse(`http://[${text}]/`)
}

/** Whether a text is a network: an address and the bits that count of it. */
export function isNetwork(text: string): boolean {
  const [address, bits, more] = text.split('/')
  if (address === undefined || bits === undefined || more !== undefined) return false
  return isAddress(address) && /^\d{1,3}$/.test(bits) && Number(bits) <= (address.includes(':') ? 128 : 32)
}
