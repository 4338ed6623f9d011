import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { requireCommonJs } from '../../lib/runtime/commonjs.ts'

for (const name of ['fastify', 'fastify-plugin', '@fastify/error', 'pino']) {
  test(`${name} is the same for who imports it`, async () => {
    const loaded: unknown = requireCommonJs(name)
    const imported: { default: unknown } = await import(name)
    strictEqual(loaded, imported.default)
  })
}

test('a package that is not there is told by its name', t => {
  t.assert.throws(() => requireCommonJs('fastify-scgi-is-not-there'), { code: 'ERR_MODULE_NOT_FOUND', message: /fastify-scgi-is-not-there/ })
})
