import { describe, expect, it } from 'vitest'

import { outcomeOf, ruleFault, ruleOf, rulesOf, ruleTexts, written } from './access-rule'

const outcome = (...texts: string[]) => outcomeOf(rulesOf(texts.join('\n')))

describe('rules by address', () => {
  it('are read as people write them', () => {
    expect(ruleTexts(' allow 10.0.0.0/8 \n\n deny all，')).toEqual(['allow 10.0.0.0/8', 'deny all'])
    expect(ruleTexts('allow 10.0.0.1, deny all')).toEqual(['allow 10.0.0.1', 'deny all'])
    expect(ruleOf('allow 10.0.0.0/8')).toEqual({ allows: true, network: '10.0.0.0/8' })
    expect(ruleOf('Deny\t ALL')).toEqual({ allows: false, network: null })
    expect(ruleOf('deny fe80::/10')).toEqual({ allows: false, network: 'fe80::/10' })
    expect(rulesOf('Allow   10.0.0.1\nDENY all').map(written)).toEqual(['allow 10.0.0.1', 'deny all'])
  })

  it('say which of them is wrong, and in what', () => {
    expect(ruleFault('')).toBeNull()
    expect(ruleFault('allow 192.168.0.0/16\ndeny all')).toBeNull()
    expect(ruleFault('allow 10.0.0.0/8\n192.168.0.0/16')).toEqual({ of: 'word', number: 2, part: '192.168.0.0/16' })
    expect(ruleFault('permit all')).toEqual({ of: 'word', number: 1, part: 'permit all' })
    expect(ruleFault('allowed all')?.of).toBe('word')
    for (const part of ['allow', 'allow 10.0.0.0/33', 'deny 10.0.0', 'allow localhost', 'allow 10.0.0.1 10.0.0.2', 'deny 300.0.0.1', 'allow ::1/129']) {
      expect(ruleFault(`deny 10.9.9.9\n${part}`), part).toEqual({ of: 'whom', number: 2, part })
    }
  })

  it('come to everybody, some or nobody', () => {
    expect(outcome()).toEqual({ rest: 'in', takes: 'everybody', idle: [] })
    expect(outcome('allow all')).toEqual({ rest: 'in', takes: 'everybody', idle: [] })
    // The usual mistake: nothing refuses the others.
    expect(outcome('allow 192.168.0.0/16')).toEqual({ rest: 'in', takes: 'everybody', idle: [] })
    expect(outcome('allow 192.168.0.0/16', 'deny all')).toEqual({ rest: 'out', takes: 'some', idle: [] })
    expect(outcome('deny 10.0.0.5')).toEqual({ rest: 'in', takes: 'some', idle: [] })
    expect(outcome('deny 10.0.0.5', 'deny all')).toEqual({ rest: 'out', takes: 'nobody', idle: [] })
  })

  it('are idle behind one that is about the same addresses', () => {
    expect(outcome('deny all', 'allow 10.0.0.0/8')).toEqual({ rest: 'out', takes: 'nobody', idle: [{ number: 2, by: 1 }] })
    expect(outcome('allow 10.0.0.0/8', 'deny 10.0.0.5').idle).toEqual([{ number: 2, by: 1 }])
    expect(outcome('allow 10.0.0.0/8', 'deny 10.0.0.5').takes).toBe('everybody')
    expect(outcome('deny 10.0.0.5', 'allow 10.0.0.0/8').idle).toEqual([])
    expect(outcome('allow 10.0.0.5', 'deny 10.0.0.5/32').idle).toEqual([{ number: 2, by: 1 }])
    expect(outcome('deny 0.0.0.0/0', 'allow 10.0.0.1', 'allow ::1').idle).toEqual([{ number: 2, by: 1 }])
    expect(outcome('deny 128.0.0.0/1', 'allow 127.0.0.1').idle).toEqual([])
    expect(outcome('allow 2001:db8::/32', 'deny 2001:DB8:0:1::9', 'deny 2001:db9::1').idle).toEqual([{ number: 2, by: 1 }])
    // The broker takes an IPv4 network in IPv6 form for what it is.
    expect(outcome('allow ::ffff:10.0.0.0/104', 'deny 10.1.2.3').idle).toEqual([{ number: 2, by: 1 }])
  })
})
