import { expect, it } from 'vitest'

import { nameFault, secrecyOf } from './user'
import { asPython, asShell } from './using'

it('takes the names that MQTT has, and an address of the API can carry', () => {
  for (const name of ['a', '张三', 'a/b#+ c', '...', 'x'.repeat(65_535)]) expect(nameFault(name), name.slice(0, 9)).toBeNull()
  for (const name of ['.', '..', 'a\0b', '字'.repeat(30_000)]) expect(nameFault(name), name.slice(0, 9)).toBe('nameForm')
  expect(nameFault('')).toBe('nameMissing')
})

it('sees what passwords a file has', () => {
  expect(secrecyOf('a.csv', 'user_id,password,is_superuser\nanna,password_hash,false')).toBe('plain')
  expect(secrecyOf('a.CSV', '\ufeffuser_id,password_hash,salt,is_superuser\r\nanna,x,y,true')).toBe('hash')
  expect(secrecyOf('a.json', '[{"user_id": "anna", "password": "x"}]')).toBe('plain')
  expect(secrecyOf('a.json', '[{"user_id": "anna", "password_hash": "x"}]')).toBe('hash')
  for (const text of ['', 'anna,secret', 'user_id,secret', 'password', 'my_user_id,password']) expect(secrecyOf('a.csv', text), text).toBeNull()
})

it('writes what runs whatever the name', () => {
  const login = { user_id: `o'neil $(id)`, password: 'a"b\\c' }
  expect(asShell(login, { host: '[fe80::1]', port: 1884 }, false)).toBe(`mosquitto_pub -h fe80::1 -p 1884 -u 'o'\\''neil $(id)' -P 'a"b\\c' -t test -m hello`)
  expect(asShell({ user_id: 'dev1', password: 'p' }, { host: 'h', port: 1883 }, true)).toContain(' -i dev1 -u dev1 ')
  expect(asPython(login)).toBe(`client.username_pw_set("o'neil $(id)", "a\\"b\\\\c")`)
})
