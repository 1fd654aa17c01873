// What is set of a listener, in groups, for whoever looks at it.
import type { Fact, FactGroup } from '@/design/facts'
import { nameOfId } from '@/pages/authentication/authenticator'
import { t } from '@/words'
import { count, moment } from '@/words/format'

import { RATES, type Known } from './draft'
import { isTls, isWeb, typeOf, type Full } from './listener'

export function factsOf(known: Known): FactGroup[] {
  return [
    { title: t('listeners.place'), facts: placeFacts(known) },
    { title: t('listeners.clients'), facts: clientFacts(known) },
    { title: t('listeners.rates'), facts: rateFacts(known.full) },
    { title: t('listeners.proxy'), facts: proxyFacts(known) },
    ...(isTls(known.type) ? [{ title: t('listeners.certificate'), facts: tlsFacts(known.full) }] : []),
  ]
}

function placeFacts({ full, bind }: Known): Fact[] {
  const state = full.running ? 'running' : full.enable ? 'failed' : 'stopped'
  const most = full.max_connections === 'infinity' ? '∞' : count(full.max_connections)
  return [
    { name: t('listeners.type'), value: typeOf(full.type) },
    { name: t('listeners.address'), value: full.addresses.length > 0 ? full.addresses.join(', ') : bind },
    { name: t('listeners.state'), value: t(`listeners.${state}`), bad: state === 'failed' },
    { name: t('listeners.connections'), value: `${count(full.current_connections)} / ${most}` },
  ]
}

function clientFacts({ full, type }: Known): Fact[] {
  const asked = full.authenticators?.map(nameOfId).join(', ')
  const origins = full.allowed_origins ?? []
  return [
    { name: t('listeners.asks'), value: full.enable_authn ? (asked ?? t('listeners.asks_all')) : t('listeners.asks_none') },
    { name: t('listeners.mountpoint'), value: full.mountpoint || t('settings.nothing') },
    ...(isWeb(type) ? [{ name: t('listeners.origins'), value: origins.join(', ') || t('settings.nothing') }] : []),
  ]
}

function rateFacts(full: Full): Fact[] {
  return RATES.map((rate) => ({ name: t(`listeners.${rate}`), value: full[rate] === 'infinity' ? t('listeners.unlimited') : full[rate] }))
}

function proxyFacts({ full, type }: Known): Fact[] {
  const word = (isSo: boolean) => t(isSo ? 'listeners.yes' : 'listeners.no')
  return [
    { name: t('listeners.protocol'), value: word(full.proxy_protocol) },
    ...(isWeb(type) ? [{ name: 'X-Forwarded-For', value: word(full.forwarded_for ?? false) }] : []),
    { name: t('listeners.proxies'), value: full.proxy_networks.join(', ') || t('settings.nothing') },
  ]
}

function tlsFacts({ certificate, ssl_options: options }: Full): Fact[] {
  const clients = options?.verify !== 'verify_peer' ? 'clientCertsNone' : options.fail_if_no_peer_cert ? 'clientCertsMust' : 'clientCertsMay'
  const shown: Fact[] = certificate
    ? [
        { name: t('listeners.subject'), value: certificate.subject },
        { name: t('listeners.names'), value: certificate.names.join(', ') },
        { name: t('listeners.validFrom'), value: moment(Date.parse(certificate.valid_from)) },
        { name: t('listeners.validUntil'), value: moment(Date.parse(certificate.valid_until)), bad: Date.parse(certificate.valid_until) < Date.now() },
        { name: t('listeners.own'), value: t(certificate.own ? 'listeners.yes' : 'listeners.no') },
        ...(certificate.trouble ? [{ name: t('listeners.trouble'), value: certificate.trouble, bad: true }] : []),
      ]
    : []
  const versions = (options?.versions ?? []).map((version) => version.replace('tlsv', 'TLS '))
  return [...shown, { name: t('listeners.versions'), value: versions.join(', ') }, { name: t('listeners.clientCerts'), value: t(`listeners.${clients}`) }]
}
