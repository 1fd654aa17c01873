// Words of the overview.
import type zh from '../zh/overview'
import type { Same } from '..'

export default {
  rates: {
    in: 'In',
    out: 'Out',
    unread: 'No subscriber',
    lost: 'Lost',
    unit: 'msg/s',
    bytes: '{size}/s',
    unreadWhat: 'topics that nobody subscribed; not a fault',
    lostLately: '{n} in the last 10 minutes',
  },
  gauge: {
    online: 'Online',
    kept: 'Offline',
    subscriptions: 'Subscriptions',
    topics: 'Topics',
    retained: 'Retained',
  },
  history: {
    title: 'History',
    span: 'Time range',
    minutes: '10 min',
    hour: '1 h',
    hours6: '6 h',
    day: '1 day',
    days3: '3 days',
    days7: '7 days',
    messages: 'Messages (msg/s)',
    clients: 'Clients',
    online: 'online',
    dropped: 'No subscriber or lost',
  },
  first: {
    title: 'How to connect',
    address: 'Server address',
    port: 'Port',
    other: 'Another address',
    free: 'On this machine and in the local network, user name and password can stay empty.',
    waiting: 'Waiting for the first client…',
    came: 'Connected:',
    noListener: 'No listener for MQTT over TCP runs, so no client can connect.',
    language: 'Programming language',
    leads: {
      browser: 'address of this page',
      default: 'default route',
      lan: 'local network',
      vpn: 'VPN',
      virtual: 'bridge of containers or virtual machines',
      loopback: 'this machine only',
    },
  },
  attention: {
    title: 'What needs your attention',
    none: 'All is well: nothing needs your attention.',
    since: 'since {at}',
    setPassword: 'Set password',
    more: '{n} more',
    less: 'less',
  },
} satisfies Same<typeof zh>
