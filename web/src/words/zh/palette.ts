// Words of the palette and of the keys.
export default {
  palette: {
    title: '查找',
    open: '查找（Ctrl K）',
    placeholder: '页面、客户端、主题、设置项或操作',
    pages: '页面',
    clients: '客户端',
    topics: '订阅的主题',
    settings: '设置',
    actions: '操作',
    dark: '换成深色',
    light: '换成浅色',
    none: '没有找到。',
    keys: '↑↓ 选择，Enter 打开，Esc 关闭',
  },
  shortcut: {
    title: '键盘快捷键',
    palette: '查找页面、客户端、主题、设置和操作',
    list: '显示这份列表',
    close: '关闭打开的窗口',
  },
} as const
