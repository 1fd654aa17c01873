// Addresses as people type them.
/** Whether a text is an address as far as the API takes it: a part of one is none. */
export function isAddress(text: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split('.').every((part) => Number(part) <= 255)
  return text.includes(':') && URL.canParse(`http://[${text}]/`)
}
