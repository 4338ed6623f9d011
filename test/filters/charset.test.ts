// X-Accel-Charset. What nginx 1.22 answers, where it knows the charset from its configuration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyCharset } from '../../lib/filters/charset.ts'

const outcome = (type: string | undefined, charset: string, status = 200): string => {
  const result = applyCharset(status, type, charset)
  return result.kind === 'set' ? result.contentType : result.kind
}

test('added to any type that names none, in the spelling that was given', () => {
  assert.equal(outcome('text/plain', 'utf-8'), 'text/plain; charset=utf-8')
  assert.equal(outcome('text/plain', 'UTF-8'), 'text/plain; charset=UTF-8')
  assert.equal(outcome('text/plain', 'utf8'), 'text/plain; charset=utf8')
  assert.equal(outcome('image/png', 'Windows-1251'), 'image/png; charset=Windows-1251')
  assert.equal(outcome('text/html;q=1', 'koi8-r'), 'text/html;q=1; charset=koi8-r')
  assert.equal(outcome('text/html', 'latin1'), 'text/html; charset=latin1')
  assert.equal(outcome('text/html', ' utf-8 '), 'text/html; charset=utf-8')
  assert.equal(outcome('text/html', 'iso_8859-1:1987'), 'text/html; charset="iso_8859-1:1987"')
  assert.equal(outcome('text/html; x-charset=koi8-r', 'utf-8'), 'text/html; x-charset=koi8-r; charset=utf-8')
})

test('another charset stays, the same gets the spelling', () => {
  assert.equal(outcome('text/html; charset=windows-1251', 'utf-8'), 'unchanged')
  assert.equal(outcome('text/html; charset=UTF-8', 'utf-8'), 'text/html; charset=utf-8')
  assert.equal(outcome('text/html; charset="UTF-8"', 'utf-8'), 'text/html; charset=utf-8')
  assert.equal(outcome('text/html; charset=utf-8', 'utf-8'), 'unchanged')
  assert.equal(outcome('text/html; charset=utf8', 'utf-8'), 'unchanged')
  assert.equal(outcome('text/html; charset=', 'utf-8'), 'unchanged')
  assert.equal(outcome('text/html; charset="koi8-r"', 'utf-8'), 'unchanged')
  assert.equal(outcome('text/html; CHARSET=UTF-8; q=1', 'utf-8'), 'text/html; CHARSET=utf-8; q=1')
  assert.equal(outcome('text/html;a=b;charset = UTF-8', 'utf-8'), 'text/html;a=b;charset = utf-8')
})

test('no type, no charset; none on 301 and 302', () => {
  assert.equal(outcome(undefined, 'utf-8'), 'unchanged')
  assert.equal(outcome('', 'utf-8'), 'unchanged')
  for (const status of [301, 302]) assert.equal(outcome('text/plain', 'utf-8', status), 'unchanged')
  for (const status of [303, 404, 500]) assert.equal(outcome('text/plain', 'utf-8', status), 'text/plain; charset=utf-8')
})

test('a name that nobody knows is told to the caller', () => {
  for (const name of ['', 'off', 'nope', 'utf-8; x=y', 'utf-8"', 'x'.repeat(65_536)]) {
    assert.equal(outcome('text/plain', name), 'unknown', name.slice(0, 20))
    assert.equal(outcome('text/plain', name), 'unknown', 'the second time')
  }
  for (let i = 0; i < 200; i++) assert.equal(outcome('text/plain', `made-up-${i}`), 'unknown')
  assert.equal(outcome('text/plain', 'shift_jis'), 'text/plain; charset=shift_jis')
})

test('long types cost no time', () => {
  const started = performance.now()
  for (const type of [';'.repeat(65_536), '; '.repeat(32_768), `a;${' '.repeat(65_536)}x`, '; charset'.repeat(7000)]) outcome(type, 'utf-8')
  assert.ok(performance.now() - started < 8000)
})
