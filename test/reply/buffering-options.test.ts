// The option `buffering`: defaults and checks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileBuffering } from '../../lib/reply/buffering-options.ts'

const DEFAULTS = {
  enabled: true,
  bufferSize: 65_536,
  memory: 131_072,
  busyBuffersSize: 16_384,
  maxTempFileSize: 2 ** 30,
  tempFileWriteSize: 16_384,
  tempPath: { path: undefined, make: false, levels: [] },
  tempTotal: { used: 0, limit: Infinity },
}

test('defaults', () => {
  for (const given of [undefined, true, {}, { enabled: true }]) assert.deepEqual(compileBuffering(given), DEFAULTS)
  for (const given of [false, { enabled: false }]) assert.deepEqual(compileBuffering(given), { ...DEFAULTS, enabled: false })
})

test('every option', () => {
  assert.deepEqual(compileBuffering({
    bufferSize: '4k',
    buffers: [4, '2k'],
    busyBuffersSize: '2k',
    maxTempFileSize: '1m',
    tempFileWriteSize: 2048,
    tempPath: { path: '/tmp/x', levels: [1, 2] },
    tempTotalSize: '1g',
  }), {
    enabled: true,
    bufferSize: 4096,
    memory: 4096 + 4 * 2048,
    busyBuffersSize: 2048,
    maxTempFileSize: 2 ** 20,
    tempFileWriteSize: 2048,
    tempPath: { path: '/tmp/x', make: true, levels: [1, 2] },
    tempTotal: { used: 0, limit: 2 ** 30 },
  })
  assert.deepEqual(compileBuffering({ tempPath: '/tmp' }).tempPath, { path: '/tmp', make: true, levels: [] })
  const none = compileBuffering({ maxTempFileSize: 0, tempTotalSize: 0 })
  assert.deepEqual([none.maxTempFileSize, none.tempTotal.limit], [0, 0])
})

test('larger buffers have larger portions', () => {
  const { busyBuffersSize, tempFileWriteSize, memory } = compileBuffering({ buffers: [2, '32k'] })
  assert.deepEqual([busyBuffersSize, tempFileWriteSize, memory], [65_536, 65_536, 131_072])
  assert.equal(compileBuffering({ buffers: [2, '2g'] }).maxTempFileSize, 2 ** 31)
})

test('each call has a total of its own', () => {
  assert.notEqual(compileBuffering().tempTotal, compileBuffering().tempTotal)
})

test('what cannot be is refused by name', () => {
  for (const [given, name] of [
    [null, 'buffering'],
    ['on', 'buffering'],
    [[], 'buffering'],
    [{ size: 1 }, 'buffering.size'],
    [{ enabled: 1 }, 'buffering.enabled'],
    [{ bufferSize: null }, 'buffering.bufferSize'],
    [{ bufferSize: 1023 }, 'buffering.bufferSize'],
    [{ bufferSize: '64q' }, 'buffering.bufferSize'],
    [{ buffers: '8 8k' }, 'buffering.buffers'],
    [{ buffers: [8] }, 'buffering.buffers'],
    [{ buffers: [1, '8k'] }, 'buffering.buffers'],
    [{ buffers: [2.5, '8k'] }, 'buffering.buffers'],
    [{ buffers: ['8', '8k'] }, 'buffering.buffers'],
    [{ buffers: [8, 512] }, 'buffering.buffers'],
    [{ buffers: [8, 'x'] }, 'buffering.buffers'],
    [{ buffers: [2 ** 40, '8g'] }, 'buffering.buffers'],
    [{ busyBuffersSize: 8191 }, 'buffering.busyBuffersSize'],
    [{ buffers: [2, '32k'], busyBuffersSize: '16k' }, 'buffering.busyBuffersSize'],
    [{ maxTempFileSize: 8191 }, 'buffering.maxTempFileSize'],
    [{ maxTempFileSize: -1 }, 'buffering.maxTempFileSize'],
    [{ tempFileWriteSize: 0 }, 'buffering.tempFileWriteSize'],
    [{ tempFileWriteSize: 8191 }, 'buffering.tempFileWriteSize'],
    [{ tempTotalSize: 1 }, 'buffering.tempTotalSize'],
    [{ tempPath: '' }, 'buffering.tempPath'],
    [{ tempPath: 'a\0b' }, 'buffering.tempPath'],
    [{ tempPath: 1 }, 'buffering.tempPath'],
    [{ tempPath: { levels: [1] } }, 'buffering.tempPath'],
    [{ tempPath: { path: '/tmp', level: [1] } }, 'buffering.tempPath.level'],
    [{ tempPath: { path: '/tmp', levels: '1:2' } }, 'buffering.tempPath.levels'],
    [{ tempPath: { path: '/tmp', levels: [0] } }, 'buffering.tempPath.levels'],
    [{ tempPath: { path: '/tmp', levels: ['1'] } }, 'buffering.tempPath.levels'],
    [{ tempPath: { path: '/tmp', levels: [1, 1, 1, 1] } }, 'buffering.tempPath.levels'],
    [{ tempPath: { path: '/tmp', levels: [5, 5] } }, 'buffering.tempPath.levels'],
  ] as const) {
    assert.throws(() => Reflect.apply(compileBuffering, undefined, [given]), (error: Error & { code: string }) => {
      assert.equal(error.code, name === 'buffering.size' || name === 'buffering.tempPath.level' ? 'FST_SCGI_OPT_UNKNOWN' : 'FST_SCGI_OPT_INVALID')
      assert.ok(error.message.includes(`'${name}'`), `${JSON.stringify(given)}: ${error.message}`)
      return true
    })
  }
})
