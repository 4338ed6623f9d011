// The header block as text, and as bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteText, netstring } from '../../lib/request/block.ts'
import { compileParams } from '../../lib/request/params.ts'
import { utf8 } from '../../lib/bytes/text.ts'
import { VIEW } from './kit.ts'

test('a netstring is as long as it says, whatever its length', () => {
  // Around the lengths at which the size has a digit more.
  for (const length of [0, 1, 8, 9, 10, 97, 98, 99, 998, 999, 9998, 9999, 70_000]) {
    const text = 'aé'.repeat(length).slice(0, length)
    assert.equal(netstring(text).toString('latin1'), `${length + 1}:${text}\0,`)
  }
})

test('a value that is no bytes is sent as UTF-8, and its neighbours as they are', () => {
  for (const text of ['€', 'é€', 'a€b', '\ud83d\ude00', '\udc80', 'x'.repeat(60) + '€']) {
    assert.equal(byteText(`\0A\0é\0B\0${text}\0C\0é`), `\0A\0é\0B\0${utf8(text)}\0C\0é`)
  }
  assert.equal(byteText('\0A\0é'), '\0A\0é')
})

test('a function of params may have another request encoded meanwhile, and may throw', () => {
  const inner = compileParams<undefined>({ params: { WHO: 'inner' } })
  let failing = false
  const outer = compileParams<undefined>({
    params: {
      FIRST: 'x',
      WHO: () => {
        assert.match(inner.encode(VIEW, undefined, exchange).toString(), /\0WHO\0inner\0/)
        if (failing) throw new Error('no')
        return 'outer'
      },
      LAST: 'z',
    },
  })
  const exchange = { contentLength: 0, pathPrefix: '', keepalive: false }
  const once = outer.encode(VIEW, undefined, exchange).toString()
  assert.match(once, /\0FIRST\0x\0WHO\0outer\0LAST\0z\0/)
  failing = true
  assert.throws(() => outer.encode(VIEW, undefined, exchange), /no/)
  failing = false
  assert.equal(outer.encode(VIEW, undefined, exchange).toString(), once)
})
