// Which page is at which path. Everything else that makes up a view stands in the query, so that a copied
// address shows a colleague the same; names of clients and topics, too, which no path could carry.
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import type { IconName } from '@/design/icons'
import type { Key } from '@/words'

declare module 'vue-router' {
  interface RouteMeta {
    title: Key
  }
}

export interface Entry {
  readonly path: string
  readonly title: Key
}

export interface Section {
  readonly title: Key
  /** Where there is little room, as at the bottom of a phone. */
  readonly short?: Key
  readonly icon: IconName
  readonly entries: readonly Entry[]
}

/** The menu. An entry comes with its page. */
export const MENU: readonly Section[] = [
  { title: 'menu.overview', icon: 'overview', entries: [{ path: '/', title: 'page.overview' }] },
  {
    title: 'menu.clients',
    icon: 'clients',
    entries: [
      { path: '/clients', title: 'page.clients' },
      { path: '/connection-log', title: 'page.connectionLog' },
      { path: '/losses', title: 'page.losses' },
    ],
  },
  {
    title: 'menu.topics',
    short: 'menu.topicsShort',
    icon: 'subscriptions',
    entries: [
      { path: '/topics', title: 'topics.title' },
      { path: '/subscriptions', title: 'page.subscriptions' },
      { path: '/retained', title: 'retained.title' },
      { path: '/delayed', title: 'delayed.title' },
      { path: '/topic-rewrite', title: 'rewrite.title' },
      { path: '/auto-subscribe', title: 'auto.title' },
      { path: '/topic-metrics', title: 'metric.title' },
      { path: '/slow-subscriptions', title: 'slow.title' },
    ],
  },
  {
    title: 'menu.debug',
    icon: 'debug',
    entries: [
      { path: '/mqtt-client', title: 'page.mqtt' },
      { path: '/traces', title: 'traces.title' },
      { path: '/logs', title: 'logs.title' },
    ],
  },
  {
    title: 'menu.access',
    icon: 'access',
    entries: [
      { path: '/security', title: 'security.title' },
      { path: '/mqtt-users', title: 'mqttUsers.title' },
      { path: '/authentication', title: 'authn.title' },
      { path: '/authorization', title: 'authz.title' },
      { path: '/bans', title: 'bans.title' },
      { path: '/users', title: 'users.title' },
      { path: '/api-keys', title: 'keys.title' },
      { path: '/audit', title: 'audit.title' },
    ],
  },
  {
    title: 'settings.title',
    icon: 'settings',
    entries: [
      { path: '/settings', title: 'settings.title' },
      { path: '/listeners', title: 'listeners.title' },
    ],
  },
  {
    title: 'menu.system',
    icon: 'system',
    entries: [
      { path: '/node', title: 'node.title' },
      { path: '/counters', title: 'metrics.title' },
      { path: '/history', title: 'record.title' },
      { path: '/alarms', title: 'alarms.title' },
      { path: '/backups', title: 'backups.title' },
    ],
  },
]

export const WALL = '/wall'

const routes: RouteRecordRaw[] = [
  { path: '/', component: () => import('@/pages/overview/OverviewPage.vue'), meta: { title: 'page.overview' } },
  { path: '/clients', component: () => import('@/pages/clients/ClientsPage.vue'), meta: { title: 'page.clients' } },
  { path: '/clients/detail', component: () => import('@/pages/clients/ClientPage.vue'), meta: { title: 'page.client' } },
  { path: '/topics', component: () => import('@/pages/topics/TopicsPage.vue'), meta: { title: 'topics.title' } },
  { path: '/delayed', component: () => import('@/pages/delayed/DelayedPage.vue'), meta: { title: 'delayed.title' } },
  { path: '/topic-rewrite', component: () => import('@/pages/rewrite/RewritePage.vue'), meta: { title: 'rewrite.title' } },
  { path: '/auto-subscribe', component: () => import('@/pages/auto-subscribe/AutoSubscribePage.vue'), meta: { title: 'auto.title' } },
  { path: '/topic-metrics', component: () => import('@/pages/topic-metrics/TopicMetricsPage.vue'), meta: { title: 'metric.title' } },
  { path: '/slow-subscriptions', component: () => import('@/pages/slow-subscriptions/SlowPage.vue'), meta: { title: 'slow.title' } },
  { path: '/retained', component: () => import('@/pages/retained/RetainedPage.vue'), meta: { title: 'retained.title' } },
  {
    path: '/subscriptions',
    component: () => import('@/pages/subscriptions/SubscriptionsPage.vue'),
    meta: { title: 'page.subscriptions' },
  },
  {
    path: '/connection-log',
    component: () => import('@/pages/connection-log/ConnectionLogPage.vue'),
    meta: { title: 'page.connectionLog' },
  },
  { path: '/losses', component: () => import('@/pages/losses/LossesPage.vue'), meta: { title: 'page.losses' } },
  { path: '/mqtt-client', component: () => import('@/pages/debug/MqttPage.vue'), meta: { title: 'page.mqtt' } },
  { path: '/security', component: () => import('@/pages/security/SecurityPage.vue'), meta: { title: 'security.title' } },
  { path: '/mqtt-users', component: () => import('@/pages/mqtt-users/MqttUsersPage.vue'), meta: { title: 'mqttUsers.title' } },
  { path: '/authentication', component: () => import('@/pages/authentication/AuthenticationPage.vue'), meta: { title: 'authn.title' } },
  { path: '/authorization', component: () => import('@/pages/authorization/AuthorizationPage.vue'), meta: { title: 'authz.title' } },
  { path: '/bans', component: () => import('@/pages/bans/BansPage.vue'), meta: { title: 'bans.title' } },
  { path: '/users', component: () => import('@/pages/users/UsersPage.vue'), meta: { title: 'users.title' } },
  { path: '/api-keys', component: () => import('@/pages/api-keys/ApiKeysPage.vue'), meta: { title: 'keys.title' } },
  { path: '/audit', component: () => import('@/pages/audit/AuditPage.vue'), meta: { title: 'audit.title' } },
  { path: '/settings', component: () => import('@/pages/settings/SettingsPage.vue'), meta: { title: 'settings.title' } },
  { path: '/listeners', component: () => import('@/pages/listeners/ListenersPage.vue'), meta: { title: 'listeners.title' } },
  { path: '/logs', component: () => import('@/pages/logs/LogsPage.vue'), meta: { title: 'logs.title' } },
  { path: '/traces', component: () => import('@/pages/traces/TracesPage.vue'), meta: { title: 'traces.title' } },
  { path: '/traces/view', component: () => import('@/pages/traces/TracePage.vue'), meta: { title: 'traces.title' } },
  { path: '/alarms', component: () => import('@/pages/alarms/AlarmsPage.vue'), meta: { title: 'alarms.title' } },
  { path: '/node', component: () => import('@/pages/node/NodePage.vue'), meta: { title: 'node.title' } },
  { path: '/backups', component: () => import('@/pages/backups/BackupsPage.vue'), meta: { title: 'backups.title' } },
  { path: '/history', component: () => import('@/pages/history/HistoryPage.vue'), meta: { title: 'record.title' } },
  { path: '/counters', component: () => import('@/pages/metrics/MetricsPage.vue'), meta: { title: 'metrics.title' } },
  // Outside of the menu: whoever has its link sees this page alone.
  { path: WALL, component: () => import('@/pages/overview/WallPage.vue'), meta: { title: 'wall.title' } },
  { path: '/:rest(.*)*', component: () => import('@/pages/NothingPage.vue'), meta: { title: 'page.nothing' } },
]

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})
