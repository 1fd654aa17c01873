// Words of the system's pages: log, traces, alarms, node, metrics, history, backups.
import type zh from '../zh/system'
import type { Same } from '..'

export default {
  traces: {
    title: 'Log traces',
  },
  backups: {
    title: 'Backup and restore',
  },
} satisfies Same<typeof zh>
