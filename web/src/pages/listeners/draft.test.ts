import { beforeAll, describe, expect, it } from 'vitest'

import { speak } from '@/words'

import { BLANK, draftOf, faultsOf, hasRare, settingsOf, tryCommand, type Draft, type Known } from './draft'
import type { Full } from './listener'

beforeAll(() => speak('en'))

const LAB: Draft = { ...BLANK, name: 'lab', bind: '1884' }

const FULL: Full = {
  id: 'wss:lab',
  type: 'wss',
  name: 'lab',
  enable: true,
  running: true,
  bind: '0.0.0.0:8084',
  addresses: ['0.0.0.0:8084'],
  acceptors: 16,
  max_connections: 500,
  current_connections: 3,
  max_conn_rate: '100/s',
  messages_rate: 'infinity',
  bytes_rate: 'infinity',
  total_messages_rate: 'infinity',
  total_bytes_rate: '1MB/s',
  enable_authn: true,
  authenticators: ['jwt'],
  mountpoint: 'lab/',
  zone: 'default',
  proxy_protocol: false,
  forwarded_for: true,
  proxy_networks: ['203.0.113.7/32'],
  access_rules: ['allow 192.168.0.0/16', 'deny all'],
  allowed_origins: ['https://tool.example'],
  ssl_options: {
    certfile: '/etc/a.pem',
    keyfile: '/etc/a.key',
    certdir: null,
    cacertfile: '/etc/ca.pem',
    verify: 'verify_peer',
    fail_if_no_peer_cert: true,
    crlfile: '/etc/crl.pem',
    versions: ['tlsv1.3'],
    handshake_timeout: '10s',
  },
}
const KNOWN: Known = { full: FULL, type: 'wss', name: 'lab', bind: '8084, [::1]:8084' }
const OPEN: Known = { ...KNOWN, full: { ...FULL, access_rules: ['allow all'], authenticators: null, mountpoint: '', max_conn_rate: 'infinity', total_bytes_rate: 'infinity', max_connections: 'infinity', forwarded_for: false, proxy_networks: [] } }

function wrong(draft: Draft): string[] {
  return Object.entries(faultsOf(draft)).flatMap(([field, fault]) => (fault === undefined ? [] : [field]))
}

describe('a listener as it is typed', () => {
  it('is sent as it came where nothing was changed', () => {
    const { enable, max_connections, max_conn_rate, messages_rate, bytes_rate, total_messages_rate, total_bytes_rate, enable_authn, authenticators, mountpoint, proxy_protocol, forwarded_for, proxy_networks, access_rules, allowed_origins, ssl_options } = FULL
    const set = { enable, max_connections, max_conn_rate, messages_rate, bytes_rate, total_messages_rate, total_bytes_rate, enable_authn, authenticators, mountpoint, proxy_protocol, forwarded_for, proxy_networks, access_rules, allowed_origins, ssl_options }
    expect(settingsOf(draftOf(KNOWN))).toEqual({ ...set, bind: [8084, '[::1]:8084'] })
    expect(settingsOf(draftOf(OPEN))).toMatchObject({ access_rules: ['allow all'], authenticators: null, enable_authn: true, mountpoint: '', max_conn_rate: 'infinity', max_connections: 'infinity' })
  })

  it('takes everybody without rules, and those of its rules in one way of writing', () => {
    expect(draftOf(OPEN).rules).toBe('')
    expect(draftOf(KNOWN).rules).toBe('allow 192.168.0.0/16\ndeny all')
    expect(settingsOf({ ...LAB, rules: ' ' }).access_rules).toEqual(['allow all'])
    expect(settingsOf({ ...LAB, rules: 'Allow  10.0.0.0/8\n\nDENY ALL' }).access_rules).toEqual(['allow 10.0.0.0/8', 'deny all'])
  })

  it('asks all authenticators, some, or none', () => {
    const none: Known = { ...KNOWN, full: { ...FULL, enable_authn: false, authenticators: [] } }
    expect([KNOWN, OPEN, none].map((known) => draftOf(known).asks)).toEqual(['some', 'all', 'none'])
    expect(settingsOf(draftOf(none))).toMatchObject({ enable_authn: false })
    expect(settingsOf({ ...draftOf(none), asks: 'some', authenticators: ['jwt'] })).toMatchObject({ enable_authn: true, authenticators: ['jwt'] })
    expect(wrong({ ...LAB, asks: 'some' })).toEqual(['authenticators'])
  })

  it('says of TLS and of web pages only where there are any', () => {
    expect(settingsOf(LAB)).not.toHaveProperty('ssl_options')
    expect(settingsOf(LAB)).not.toHaveProperty('allowed_origins')
    expect(settingsOf({ ...LAB, type: 'wss' })).toMatchObject({ allowed_origins: [], ssl_options: { certfile: null, verify: 'verify_none', versions: ['tlsv1.3', 'tlsv1.2'] } })
    // Who asks for no certificates keeps the file that would be needed.
    expect(settingsOf({ ...LAB, type: 'ssl', tls: { ...BLANK.tls, ca: '/etc/ca.pem' } })).toMatchObject({ ssl_options: { cacertfile: '/etc/ca.pem', verify: 'verify_none', fail_if_no_peer_cert: false } })
  })

  it('says who proxies are', () => {
    const proxy = { header: true, forwarded: true, networks: '203.0.113.7\n198.51.100.0/24' }
    const networks = ['203.0.113.7', '198.51.100.0/24']
    expect(settingsOf({ ...LAB, proxy })).toMatchObject({ proxy_protocol: true, proxy_networks: networks })
    expect(settingsOf({ ...LAB, proxy })).not.toHaveProperty('forwarded_for')
    expect(settingsOf({ ...LAB, type: 'ws', proxy })).toMatchObject({ forwarded_for: true, proxy_networks: networks })
    expect(settingsOf(LAB)).toMatchObject({ proxy_protocol: false, proxy_networks: [] })
  })

  it('is unfolded where something rare is set', () => {
    expect(hasRare(LAB)).toBe(false)
    expect(hasRare(draftOf(KNOWN))).toBe(true)
    expect(hasRare({ ...LAB, mountpoint: 'lab/' })).toBe(true)
    expect(hasRare({ ...LAB, tls: { ...BLANK.tls, versions: 'new' } })).toBe(false)
    expect(hasRare({ ...LAB, type: 'ssl', tls: { ...BLANK.tls, versions: 'new' } })).toBe(true)
  })
})

describe('what is checked before it is sent', () => {
  it('is name, address, number and origins', () => {
    expect(wrong(LAB)).toEqual([])
    expect(wrong(draftOf(KNOWN))).toEqual([])
    expect(wrong({ ...LAB, name: 'a b' })).toEqual(['name'])
    expect(wrong({ ...LAB, bind: '' })).toEqual(['bind'])
    expect(faultsOf({ ...LAB, bind: '1884, x:1' }).bind).toContain('x:1')
    expect(wrong({ ...LAB, max: '0' })).toEqual(['max'])
    expect(wrong({ ...LAB, max: '10' })).toEqual([])
    expect(wrong({ ...LAB, origins: 'x y' })).toEqual([])
    for (const type of ['ws', 'wss'] as const) expect(wrong({ ...LAB, type, origins: 'x y' })).toEqual(['origins'])
  })

  it('is which rule is wrong, and how', () => {
    expect(faultsOf({ ...LAB, rules: 'deny all\n10.0.0.0/8' }).rules).toMatch(/Rule 2, “10\.0\.0\.0\/8”, has to begin with allow or deny/)
    expect(faultsOf({ ...LAB, rules: 'allow 10.0.0' }).rules).toMatch(/Rule 1, “allow 10\.0\.0”: behind allow or deny/)
  })

  it('is a prefix without wildcards', () => {
    for (const mountpoint of ['', 'lab/', '${username}/', 'a/${clientid}/b', '实验/']) expect(wrong({ ...LAB, mountpoint }), mountpoint).toEqual([])
    for (const mountpoint of ['lab/#', '+/', '$SYS/', '${other}/', 'a{b', '字'.repeat(342)]) expect(wrong({ ...LAB, mountpoint }), mountpoint).toEqual(['mountpoint'])
  })

  it('is rates, in messages and in bytes', () => {
    const rates = (some: Partial<Draft['rates']>) => wrong({ ...LAB, rates: { ...BLANK.rates, ...some } })
    expect(rates({ messages_rate: '1000/s', bytes_rate: '64KB/s', max_conn_rate: '10/5m', total_bytes_rate: ' ' })).toEqual([])
    expect(rates({ messages_rate: '1MB/s', bytes_rate: 'fast' })).toEqual(['messages_rate', 'bytes_rate'])
  })

  it('is what TLS and proxies need', () => {
    const tls = (some: Partial<Draft['tls']>) => wrong({ ...LAB, type: 'ssl', tls: { ...BLANK.tls, ...some } })
    expect(tls({ cert: '/a.pem' })).toEqual(['key'])
    expect(tls({ cert: '/a.pem', key: '/a.key' })).toEqual([])
    expect(tls({ clients: 'must' })).toEqual(['ca'])
    expect(tls({ handshake: '10' })).toEqual(['handshake'])
    expect(tls({ handshake: '6m' })).toEqual(['handshake'])
    expect(wrong({ ...LAB, tls: { ...BLANK.tls, handshake: '' } })).toEqual([])
    expect(faultsOf({ ...LAB, proxy: { ...BLANK.proxy, networks: '10.0.0.1\nnginx' } }).networks).toContain('nginx')
  })
})

it('gives the command that trusts the own certificate', () => {
  const ssl = { type: 'ssl' as const, bind: '0.0.0.0:8883, [::]:8883' }
  expect(tryCommand(ssl, '192.168.1.5')).toBe('mosquitto_sub -h 192.168.1.5 -p 8883 --cafile ternmq-ca.pem -t test -v')
  expect(tryCommand(ssl, '[fe80::1]')).toContain('-h fe80::1 -p 8883 ')
  expect(tryCommand({ type: 'wss', bind: '8084' }, '[fe80::1]')).toBe('ternmq sub -L wss://[fe80::1]:8084/test --cafile ternmq-ca.pem -v')
})
