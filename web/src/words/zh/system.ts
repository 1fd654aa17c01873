// Words of the system's pages: log, traces, alarms, node, metrics, history, backups.
export default {
  traces: {
    title: '日志追踪',
  },
  backups: {
    title: '备份与恢复',
  },
} as const
