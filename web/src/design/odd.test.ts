import { expect, it } from 'vitest'

import { linePieces, pieces, shown } from './odd'

it('leaves what is seen as it is', () => {
  for (const text of ['test', '中文/主题', 'a b', '温度🌡', '<b>x</b>', 'é']) {
    expect(pieces(text)).toEqual([{ text, odd: false }])
  }
  expect(pieces('')).toEqual([])
})

it('shows by number what is not seen or turns the direction', () => {
  expect(pieces('a\u202eb')).toEqual([
    { text: 'a', odd: false },
    { text: 'U+202E', odd: true },
    { text: 'b', odd: false },
  ])
  expect(shown('\u200b')).toBe('U+200B')
  expect(shown('x\u0000\n')).toBe('xU+0000U+000A')
  expect(shown('\u{e0041}')).toBe('U+E0041')
})

it('keeps lines, and puts what is odd together', () => {
  expect(linePieces('a\r\n\tb')).toEqual([{ text: 'a\n\tb', odd: false }])
  expect(linePieces('\u0000\u0001x\u202e')).toEqual([
    { text: 'U+0000 U+0001', odd: true },
    { text: 'x', odd: false },
    { text: 'U+202E', odd: true },
  ])
})

it('does not let marks be heaped on a letter', () => {
  expect(shown(`a${'\u0300\u0316'.repeat(50)}b`)).toBe('aU+0300… ×100b')
  for (const text of ['ก็้', 'ཧཱུྃ', 'e\u0301\u0323', 'ह्र्दि']) expect(pieces(text)).toEqual([{ text, odd: false }])
})
