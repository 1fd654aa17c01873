// One word per thing. The page, its errors and the documentation use these; a test refuses the others.
export interface Term {
  readonly zh: string
  readonly en: string
  /** Chinese words that mean the same elsewhere, and are not used here. */
  readonly not: readonly string[]
}

export const GLOSSARY = {
  client: { zh: '客户端', en: 'client', not: ['客戶端', '客户机'] },
  clientId: { zh: '客户端 ID', en: 'client ID', not: ['客户端ID', '客户端标识', '客户端编号'] },
  session: { zh: '会话', en: 'session', not: ['会晤', '连线'] },
  sessionExpiry: { zh: '会话过期间隔', en: 'Session Expiry Interval', not: ['会话过期时间', '会话超时'] },
  cleanSession: { zh: '清除会话', en: 'Clean Session / Clean Start', not: ['清理会话', '干净会话', '全新会话'] },
  keepAlive: { zh: '心跳间隔', en: 'Keep Alive', not: ['保活时间', '保持连接', '心跳时间', '心跳周期'] },
  subscription: { zh: '订阅', en: 'subscription', not: ['订閱'] },
  publish: { zh: '发布', en: 'publish', not: ['推送', '发佈'] },
  topic: { zh: '主题', en: 'topic', not: ['话题', '題目'] },
  filter: { zh: '主题过滤器', en: 'topic filter', not: ['主题筛选器', '订阅主题名'] },
  wildcard: { zh: '通配符', en: 'wildcard', not: ['万用字元', '模糊符'] },
  shared: { zh: '共享订阅', en: 'shared subscription', not: ['分享订阅', '群组订阅'] },
  payload: { zh: '消息内容', en: 'payload', not: ['载荷', '负载', '有效载荷', '消息体'] },
  qos: { zh: '服务质量', en: 'QoS', not: ['服务等级', '服务品质'] },
  retained: { zh: '保留消息', en: 'retained message', not: ['保持消息', '留存消息', '持久消息'] },
  will: { zh: '遗嘱消息', en: 'will', not: ['遗言', '遗愿'] },
  messageExpiry: { zh: '消息过期间隔', en: 'Message Expiry Interval', not: ['消息过期时间', '消息有效期'] },
  topicAlias: { zh: '主题别名', en: 'topic alias', not: ['话题别名'] },
  userProperty: { zh: '用户属性', en: 'user property', not: ['用户特性'] },
  responseTopic: { zh: '响应主题', en: 'response topic', not: ['回复主题', '应答主题'] },
  correlationData: { zh: '对比数据', en: 'correlation data', not: ['关联数据', '相关数据'] },
  reasonCode: { zh: '原因码', en: 'reason code', not: ['理由码', '返回码', '错误码'] },
  in: { zh: '流入', en: 'in', not: ['入流量', '接收速率'] },
  out: { zh: '流出', en: 'out', not: ['出流量', '发送速率'] },
  unread: { zh: '无人订阅', en: 'no subscriber', not: ['无订阅者', '没有订阅者'] },
  lost: { zh: '丢失', en: 'lost', not: ['丢弃', '遗失'] },
  queue: { zh: '消息队列', en: 'message queue', not: ['信息队列'] },
  inflight: { zh: '飞行窗口', en: 'inflight window', not: ['在途窗口', '传输窗口'] },
  kick: { zh: '踢下线', en: 'kick', not: ['踢出', '强制下线', '断开客户端'] },
  authentication: { zh: '认证', en: 'authentication', not: ['鉴权', '身份验证'] },
  authenticator: { zh: '认证器', en: 'authenticator', not: ['验证器'] },
  superuser: { zh: '超级用户', en: 'superuser', not: ['超级管理员', '特权用户'] },
  accessRule: { zh: '访问规则', en: 'access rule', not: ['权限规则', '授权规则'] },
  ban: { zh: '黑名单', en: 'ban', not: ['封禁', '禁止名单', '屏蔽'] },
  listener: { zh: '监听器', en: 'listener', not: ['侦听器', '监听端口'] },
  delayed: { zh: '延迟发布', en: 'delayed publish', not: ['延时发布', '定时发布'] },
  rewrite: { zh: '主题重写', en: 'topic rewrite', not: ['主题改写'] },
  autoSubscribe: { zh: '自动订阅', en: 'auto-subscribe', not: ['代订阅', '自动预订'] },
  slow: { zh: '慢订阅', en: 'slow subscriptions', not: ['慢速订阅'] },
  alarm: { zh: '告警', en: 'alarm', not: ['警报', '报警'] },
  trace: { zh: '日志追踪', en: 'log trace', not: ['日志跟踪'] },
  audit: { zh: '审计日志', en: 'audit log', not: ['审核日志', '操作日志'] },
} as const satisfies Record<string, Term>

export type TermName = keyof typeof GLOSSARY

const ENGLISH = new Map<string, string>(Object.values(GLOSSARY).map((term) => [term.zh, term.en]))

/** The English word of a Chinese label that is one of the terms, for its tooltip. */
export function inEnglish(label: string): string | undefined {
  return ENGLISH.get(label.replace(/（.*）$/, ''))
}
