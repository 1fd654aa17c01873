import { expect, it } from 'vitest'

import { readJson } from './json'
import { openDepth, outline, pathOf, pathText, valueAt } from './outline'
import type { Value } from './value'

function read(text: string): Value {
  const found = readJson(text)
  if ('fault' in found) throw found.fault
  return found.value
}

const tree = read('{"a":{"b c":[1,{"x":2}]},"d":true}')

it('has the lines that are not below what is folded', () => {
  const keys = (lines: ReturnType<typeof outline>) => lines.map((line) => line.key)
  expect(keys(outline(tree, 0, new Map()))).toEqual(['$'])
  expect(keys(outline(tree, 1, new Map()))).toEqual(['$', '$.a', '$.d'])
  expect(keys(outline(tree, 9, new Map([['$.a', false]])))).toEqual(['$', '$.a', '$.d'])
  expect(keys(outline(tree, 9, new Map()))).toEqual(['$', '$.a', '$.a["b c"]', '$.a["b c"][0]', '$.a["b c"][1]', '$.a["b c"][1].x', '$.d'])
})

it('finds a place again in another payload', () => {
  const line = outline(tree, 9, new Map()).find((one) => one.step === 'x')
  const path = line ? pathOf(line) : []
  expect(path).toEqual(['a', 'b c', 1, 'x'])
  expect(pathText(path)).toBe('$.a["b c"][1].x')
  expect(valueAt(read('{"a":{"b c":[0,{"x":7}]}}'), path)).toBe(7)
  expect(valueAt(read('{"a":3}'), path)).toBeUndefined()
  expect(valueAt(tree, [])).toBe(tree)
})

it('opens as much as is seen at one look', () => {
  expect(openDepth(read('5'))).toBe(0)
  expect(openDepth(tree)).toBe(4)
  expect(openDepth(read(JSON.stringify(Array.from({ length: 5000 }, () => [1]))))).toBe(1)
  expect(openDepth(read(JSON.stringify({ few: Array.from({ length: 500 }, () => 1) })))).toBe(1)
})
