/** A token as a colour in the theme of now; a canvas knows no tokens. */
export function colourOf(token: string, within: HTMLElement | null): string {
  const probe = document.createElement('i')
  probe.style.color = `var(${token})`
  within?.append(probe)
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}
