// The words for what the system says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainClose, explainConnect, explainHttp, explainSilence, isLocalError } from '../../lib/connections/explain.ts'

function systemError (code: string, syscall = 'connect'): NodeJS.ErrnoException {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
}

test('connect() failures that an operator can mend say how', () => {
  assert.match(explainConnect(systemError('EACCES')), /^EACCES, no permission to connect to the socket: .*write permission on it and search permission on its directories$/)
  assert.match(explainConnect(systemError('ENOENT')), /^ENOENT, there is no such socket/)
  assert.match(explainConnect(systemError('ECONNREFUSED')), /^ECONNREFUSED, nobody listens there/)
  assert.match(explainConnect(systemError('EAGAIN')), /^EAGAIN, the listen queue of the application is full/)
  assert.match(explainConnect(systemError('EADDRNOTAVAIL')), /^EADDRNOTAVAIL, no local port is left/)
  assert.match(explainConnect(systemError('EPROTOTYPE')), /^EPROTOTYPE, the socket is not a stream socket$/)
  // Whatever it is, it is told apart.
  assert.equal(explainConnect(systemError('EHOSTUNREACH')), 'EHOSTUNREACH')
  assert.equal(explainConnect(new Error('no code')), 'no code')
  const texts = ['EACCES', 'ENOENT', 'ECONNREFUSED', 'EAGAIN'].map((code) => explainConnect(systemError(code)))
  assert.equal(new Set(texts).size, 4)
})

test('local failures: what another server would meet too', () => {
  for (const code of ['EADDRNOTAVAIL', 'EADDRINUSE', 'EINVAL', 'EACCES']) assert.equal(isLocalError(systemError(code, 'bind')), true, code)
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAFNOSUPPORT']) assert.equal(isLocalError(systemError(code)), true, code)
  for (const code of ['ECONNREFUSED', 'ENOENT', 'EACCES', 'EAGAIN', 'EADDRNOTAVAIL', 'ETIMEDOUT']) assert.equal(isLocalError(systemError(code)), false, code)
})

test('a close before any byte names the limits that the header block is over', () => {
  assert.doesNotMatch(explainClose(0, 2000), /2000 that rTorrent|buffer-size/)
  assert.match(explainClose(0, 2001), /header block of 2001 bytes is longer than the 2000 that rTorrent takes/)
  assert.doesNotMatch(explainClose(0, 3840), /buffer-size/)
  assert.match(explainClose(0, 4096), /header block of 4096 bytes fills uWSGI's buffer-size \(4096 unless set\), where each parameter takes 2 bytes more/)
  assert.match(explainClose(0, 4097), /header block of 4097 bytes is longer than uWSGI's buffer-size \(4096 unless set\)/)
  assert.doesNotMatch(explainClose(0, 100, 2_097_152), /2 MiB/)
  assert.match(explainClose(0, 100, 2_097_153), /body of 2097153 bytes is longer than the 2 MiB that rTorrent takes/)
  assert.match(explainClose(0, 100), /does not speak SCGI \(uWSGI speaks its own protocol at --socket: give it --scgi-socket\)$/)
  assert.equal(explainClose(7, 5000), ' (7 bytes had come)')
})

test('a silence names the server that waits for more, where it may be one', () => {
  assert.match(explainSilence(600, false), /^\. If it never answers, .*uWSGI waits so at --socket, give it --scgi-socket$/)
  assert.equal(explainSilence(0x3030, false), '')
  assert.equal(explainSilence(600, true), '')
})

test('an HTTP server is called by its name', () => {
  const head = { statusCode: 400, statusMessage: 'Bad Request', headers: {}, rawHeaders: [], contentLength: -1, chunked: false, nph: true }
  assert.match(explainHttp(head), /^'HTTP 400 Bad Request': this server speaks HTTP, not SCGI/)
})
