// Light or dark: what was chosen here, else what the system says, also when that changes.
import { ref } from 'vue'

export type Theme = 'light' | 'dark'
const KEPT = 'ternmq-theme'

const dark = matchMedia('(prefers-color-scheme: dark)')

export const theme = ref<Theme>('light')

function kept(): Theme | null {
  const value = localStorage.getItem(KEPT)
  return value === 'light' || value === 'dark' ? value : null
}

function show(one: Theme): void {
  theme.value = one
  document.documentElement.dataset.theme = one
}

export function followTheme(): void {
  const follow = () => show(kept() ?? (dark.matches ? 'dark' : 'light'))
  dark.addEventListener('change', follow)
  follow()
}

export function toggleTheme(): void {
  const other = theme.value === 'light' ? 'dark' : 'light'
  localStorage.setItem(KEPT, other)
  show(other)
}
