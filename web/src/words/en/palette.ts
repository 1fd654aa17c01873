// Words of the palette and of the keys.
import type zh from '../zh/palette'
import type { Same } from '..'

export default {
  palette: {
    title: 'Find',
    open: 'Find (Ctrl K)',
    placeholder: 'A page, client, topic, setting or action',
    pages: 'Pages',
    clients: 'Clients',
    topics: 'Topics subscribed to',
    settings: 'Settings',
    actions: 'Actions',
    dark: 'Change to dark',
    light: 'Change to light',
    none: 'Nothing found.',
    keys: '↑↓ choose, Enter opens, Esc closes',
  },
  shortcut: {
    title: 'Keys',
    palette: 'Find pages, clients, topics, settings and actions',
    list: 'Show this list',
    close: 'Close what is open',
  },
} satisfies Same<typeof zh>
