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
  readonly icon: IconName
}

export interface Section {
  readonly title: Key
  readonly entries: readonly Entry[]
}

/** The menu. An entry comes with its page. */
export const MENU: readonly Section[] = [
  { title: 'menu.overview', entries: [{ path: '/', title: 'page.overview', icon: 'overview' }] },
  {
    title: 'menu.clients',
    entries: [
      { path: '/clients', title: 'page.clients', icon: 'clients' },
      { path: '/connection-log', title: 'page.connectionLog', icon: 'log' },
    ],
  },
  { title: 'menu.topics', entries: [{ path: '/subscriptions', title: 'page.subscriptions', icon: 'subscriptions' }] },
  { title: 'menu.debug', entries: [{ path: '/mqtt-client', title: 'page.mqtt', icon: 'debug' }] },
  {
    title: 'menu.access',
    entries: [
      { path: '/bans', title: 'bans.title', icon: 'ban' },
      { path: '/users', title: 'users.title', icon: 'person' },
      { path: '/api-keys', title: 'keys.title', icon: 'key' },
      { path: '/audit', title: 'audit.title', icon: 'audit' },
    ],
  },
]

const routes: RouteRecordRaw[] = [
  { path: '/', component: () => import('@/pages/overview/OverviewPage.vue'), meta: { title: 'page.overview' } },
  { path: '/clients', component: () => import('@/pages/clients/ClientsPage.vue'), meta: { title: 'page.clients' } },
  { path: '/clients/detail', component: () => import('@/pages/clients/ClientPage.vue'), meta: { title: 'page.client' } },
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
  { path: '/bans', component: () => import('@/pages/bans/BansPage.vue'), meta: { title: 'bans.title' } },
  { path: '/users', component: () => import('@/pages/users/UsersPage.vue'), meta: { title: 'users.title' } },
  { path: '/api-keys', component: () => import('@/pages/api-keys/ApiKeysPage.vue'), meta: { title: 'keys.title' } },
  { path: '/audit', component: () => import('@/pages/audit/AuditPage.vue'), meta: { title: 'audit.title' } },
  { path: '/:rest(.*)*', component: () => import('@/pages/NothingPage.vue'), meta: { title: 'page.nothing' } },
]

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})
