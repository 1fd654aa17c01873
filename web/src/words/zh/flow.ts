// Words of the flow picture and the wall display.
export default {
  flow: {
    title: '消息流向',
    publisher: '发布者',
    topic: '主题',
    reader: '订阅者',
    others: '其他 {n} 个',
    rate: '{rate} 条/秒',
    unit: '/秒',
    away: '不在线',
    queued: '消息队列 {n} 条',
    lost: '丢失：{why}',
    publishes: '发布到',
    gets: '收到',
    what: '方向',
    remarks: '备注',
    none: '此刻没有消息。有消息时，这里显示谁发布、到哪个主题、谁收到。',
    asTable: '表格',
    asPicture: '图形',
  },
  wall: {
    title: '大屏',
    key: '总览的大屏',
  },
} as const
