// Words of settings and listeners.
import type zh from '../zh/settings'
import type { Same } from '..'

export default {
  settings: {
    title: 'Settings',
  },
  listeners: {
    title: 'Listeners',
  },
} satisfies Same<typeof zh>
