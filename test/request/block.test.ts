// The header block as it is written, byte by byte.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Block } from '../../lib/request/block.ts'
import { compileParams } from '../../lib/request/params.ts'
import { utf8 } from '../../lib/bytes/text.ts'
import { VIEW } from './kit.ts'

test('what is written comes out as it was, whatever its length', () => {
  const block = new Block()
  // Around the lengths at which another way is taken, more memory is needed, and the size has a digit more.
  for (const length of [0, 1, 8, 9, 10, 47, 48, 49, 98, 99, 100, 999, 1000, 9999, 10_000, 16_383, 16_384, 70_000, 1]) {
    const text = 'aé'.repeat(length).slice(0, length)
    for (const write of [() => { block.bytes(text) }, () => { assert.ok(block.value(text)) }]) {
      block.clear()
      write()
      assert.equal(block.size, length)
      assert.equal(block.text(), text)
      assert.equal(block.netstring().toString('latin1'), `${length}:${text},`)
    }
  }
})

test('a value that is no bytes is sent as UTF-8, and a NUL is told of', () => {
  for (const fill of ['', 'x'.repeat(60)]) {
    for (const text of ['€', 'é€', 'a€b', '\ud83d\ude00', '\udc80']) {
      const block = new Block()
      block.bytes('\0NAME\0')
      assert.ok(block.value(fill + text))
      assert.equal(block.text(), '\0NAME\0' + utf8(fill + text))
    }
    for (const text of ['\0', 'a\0b', '€\0']) assert.equal(new Block().value(fill + text), false)
  }
})

test('netstrings do not share memory', () => {
  const block = new Block()
  block.bytes('first')
  const first = block.netstring()
  block.clear()
  block.bytes('other')
  block.netstring()
  assert.equal(first.toString(), '5:first,')
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
