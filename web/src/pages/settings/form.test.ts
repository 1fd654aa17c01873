import { describe, expect, it } from 'vitest'

import { speak } from '@/words'

import { amount, faultOf, formOf, spanOf, typedOf, valueOf } from './form'

const SIZE = formOf('a size such as "64KB" or 65536, 64 to 256MB')
const TIME = formOf('"none" or a time such as "100ms", "30s", "5m", "7d", 1m to 49710d')
const BIND = formOf('a port such as 1883, an address such as "0.0.0.0:1883" or "[::]:1883", or a list of these')
const VERSIONS = formOf('"tlsv1.3" | "tlsv1.2", or a list of these')
const RULES = formOf('a list such as ["allow 192.168.0.0/16", "deny all"]')
const RATE = formOf('"none" or a rate such as "1000/s" or "10/5m"')

describe('forms', () => {
  it('are read from what the API says', () => {
    expect(formOf('true | false')).toEqual({ kind: 'switch' })
    expect(formOf('"sync" | "interval" | "os"')).toEqual({ kind: 'choice', words: ['sync', 'interval', 'os'] })
    expect(formOf('a whole number, 0 to 32')).toEqual({ kind: 'whole', none: false, min: '0', max: '32' })
    expect(formOf('a number, 1.0 to 10.0')).toEqual({ kind: 'number', none: false, min: '1.0', max: '10.0' })
    expect(formOf('"none" or a whole number, 1 to 65535')).toEqual({ kind: 'whole', none: true, min: '1', max: '65535' })
    expect(SIZE).toEqual({ kind: 'size', none: false, min: '64', max: '256MB' })
    expect(TIME).toEqual({ kind: 'time', none: true, min: '1m', max: '49710d' })
    expect(BIND).toEqual({ kind: 'list', of: 'bind' })
    expect(formOf('an address or a network such as "203.0.113.0/24", or a list of these')).toEqual({ kind: 'list', of: 'network' })
    expect(formOf('a list such as ["allow 192.168.0.0/16", "deny all"]')).toEqual({ kind: 'rules' })
    expect(formOf('"none" or "jwt" | "scram", or a list of these')).toEqual({ kind: 'words', none: true, words: ['jwt', 'scram'] })
    expect(VERSIONS).toEqual({ kind: 'words', none: false, words: ['tlsv1.3', 'tlsv1.2'] })
    expect(RATE).toEqual({ kind: 'rate', none: true, of: 'whole' })
    expect(formOf('"none" or a rate such as "1MB/s" or "64KB/s"')).toEqual({ kind: 'rate', none: true, of: 'size' })
    expect(formOf('"none" or a text')).toEqual({ kind: 'text', none: true })
    expect(formOf('something of tomorrow')).toEqual({ kind: 'text', none: false })
  })

  it('find what the broker would refuse', () => {
    expect(faultOf(SIZE, '1MB').fault).toBeNull()
    expect(faultOf(SIZE, '512MB').fault).toBe('range')
    expect(faultOf(SIZE, '32').fault).toBe('range')
    expect(faultOf(SIZE, '1 MB').fault).toBe('form')
    expect(faultOf(SIZE, '').fault).toBe('empty')
    expect(faultOf(SIZE, 'none').fault).toBe('form')
    expect(faultOf(TIME, 'none').fault).toBeNull()
    expect(faultOf(TIME, '1h30m').fault).toBeNull()
    expect(faultOf(TIME, '30s').fault).toBe('range')
    expect(faultOf(TIME, '30').fault).toBe('form')
    expect(faultOf(BIND, '1883\n[::]:1883, 10.0.0.1:1884').fault).toBeNull()
    expect(faultOf(BIND, '1883, 70000')).toEqual({ fault: 'form', part: '70000' })
    expect(faultOf(BIND, 'localhost:1883').fault).toBe('form')
    expect(faultOf(BIND, ' ').fault).toBe('empty')
    expect(faultOf(formOf('a host name such as "mqtt.example.com", or a list of these'), '').fault).toBeNull()
  })

  it('find what is no rate', () => {
    for (const text of ['none', '1000', '1000/s', '10/5m', '10 / m', '5/1h30m']) expect(faultOf(RATE, text).fault, text).toBeNull()
    for (const text of ['0/s', '1000/', '1000/x', '1MB/s', '1/2/3', 's', '1/2d', '-1/s']) expect(faultOf(RATE, text).fault, text).toBe('form')
    const bytes = { kind: 'rate', none: false, of: 'size' } as const
    expect(faultOf(bytes, '1MB/s').fault).toBeNull()
    expect(faultOf(bytes, '64 KB/s').fault).toBe('form')
    expect(faultOf(bytes, 'none').fault).toBe('form')
  })

  it('take several of some words, and rules by address', () => {
    expect(faultOf(VERSIONS, 'tlsv1.3\ntlsv1.1')).toEqual({ fault: 'form', part: 'tlsv1.1' })
    expect(faultOf(VERSIONS, 'none').fault).toBe('form')
    expect(valueOf(VERSIONS, 'tlsv1.3, tlsv1.2')).toEqual(['tlsv1.3', 'tlsv1.2'])
    const some = formOf('"none" or "jwt" | "scram", or a list of these')
    expect(faultOf(some, 'none').fault).toBeNull()
    expect(valueOf(some, 'none')).toBe('none')
    expect(valueOf(some, '')).toEqual([])
    expect(faultOf(RULES, 'allow 10.0.0.0/8\n10.0.0.1')).toEqual({ fault: 'form', part: '10.0.0.1' })
    expect(faultOf(RULES, '').fault).toBeNull()
    expect(valueOf(RULES, 'Allow 10.0.0.0/8\ndeny  all')).toEqual(['allow 10.0.0.0/8', 'deny all'])
  })

  it('give values as the API takes them, and back', () => {
    expect(valueOf(SIZE, '65536')).toBe(65536)
    expect(valueOf(SIZE, ' 64KB ')).toBe('64KB')
    expect(valueOf(formOf('"none" or a whole number, 1 to 9'), 'none')).toBe('none')
    expect(valueOf(formOf('a number, 1.0 to 10.0'), '1.5')).toBe(1.5)
    expect(valueOf(formOf('true | false'), 'false')).toBe(false)
    expect(valueOf(BIND, '1883, [::]:1884')).toEqual([1883, '[::]:1884'])
    expect(typedOf(['a', 'b'])).toBe('a\nb')
    expect(typedOf(true)).toBe('true')
  })

  it('tell times in words', async () => {
    await speak('en')
    expect(spanOf('1h30m')).toBe('90 min')
    expect(spanOf('90s')).toBe('1 min 30 s')
    expect(spanOf('30s')).toBe('30 s')
    expect(spanOf('7d')).toBe('7 d')
  })

  it('compare amounts in any unit', () => {
    expect(amount('size', '2kb')).toBe(2048)
    expect(amount('time', '1m500ms')).toBe(60_500)
    expect(amount('whole', '1.5')).toBeNull()
  })
})
