// Words of settings and listeners.
export default {
  settings: {
    title: '设置',
  },
  listeners: {
    title: '监听器',
  },
} as const
