// Words of clients that come and go too often.
export default {
  flapping: {
    title: '频繁上下线的客户端',
    isOn: '在 {window}内断开 {n} 次的客户端会自动加入黑名单，{ban}后移出。',
    isOff: '不自动加入黑名单。',
    change: '修改',
    what: '程序出错或网络不稳的客户端可能不停地连接又断开，占用服务器。这里可以让服务器把它们按客户端 ID 暂时加入黑名单。',
    enable: '自动加入黑名单',
    count: '断开多少次',
    countForm: '请输入 2 到 1000000 的整数。',
    window: '在多长时间内',
    timeHint: '例如 30s、1m。',
    windowForm: '请输入 1s 到 1h 的时间，例如 1m。',
    ban: '加入黑名单多久',
    banHint: '例如 5m、1h、7d。',
    banForm: '请输入 1s 到 49710d 的时间，例如 5m。',
    detector: '自动检测',
    reason: '频繁上下线',
  },
} as const
