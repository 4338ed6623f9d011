import { FILE_TIME } from './peer.ts'
import { get, own, reply, request } from './row.ts'
import type { Sequence } from './sequence.ts'

const LARGE = 'abcdefghij'.repeat(30_000)

const of = (body: string, ...lines: string[]): string => reply(['Status: 200 OK', ...lines], body)

/** Which replies are kept as files, and where. `/store/*` becomes the file `*`. */
export const storeSequences: Sequence[] = [
  {
    name: 'a reply',
    steps: [
      { request: get('/store/*'), answer: of('first'), expect: { body: 'first' } },
      { file: '*', content: 'first', mode: 0o644 },
      { request: get('/store/*'), answer: of('second'), expect: { body: 'second' } },
      { file: '*', content: 'second', mode: 0o644 },
    ],
  },
  {
    name: 'a reply with Content-Length and Last-Modified',
    steps: [
      {
        request: get('/store/*'),
        answer: of('first', 'Content-Length: 5', `Last-Modified: ${FILE_TIME.toUTCString()}`),
        expect: { body: 'first', headers: { 'last-modified': FILE_TIME.toUTCString() } },
      },
      { file: '*', content: 'first', mtime: FILE_TIME },
    ],
  },
  {
    name: 'a large reply',
    steps: [
      { request: get('/store/*'), answer: of(LARGE), expect: { body: LARGE } },
      { file: '*', content: LARGE },
    ],
  },
  {
    name: 'directories are made',
    steps: [
      { request: get('/store/*/a/b%20c'), answer: of('first'), expect: { body: 'first' } },
      { file: '*/a/b c', content: 'first' },
    ],
  },
  {
    name: 'a query, which is no part of the name',
    steps: [
      { request: get('/store/*?a=1'), answer: of('first'), expect: { body: 'first' } },
      { file: '*', content: undefined, nginx: { why: 'one query\'s reply is the file of all', content: 'first' } },
    ],
  },
  {
    name: 'GET with a body',
    steps: [
      { request: request('GET', '/store/*', [], 'abc'), answer: of('first'), expect: { body: 'first', sent: 'abc' } },
      { file: '*', content: undefined, nginx: { why: 'it does not look at the body', content: 'first' } },
    ],
  },
  {
    name: 'Vary',
    steps: [
      { request: get('/store/*'), answer: of('first', 'Vary: X-A'), expect: { body: 'first', headers: { vary: 'X-A' } } },
      { file: '*', content: undefined, nginx: { why: 'one variant is the file of all', content: 'first' } },
    ],
  },
  {
    name: 'an empty reply',
    steps: [
      { request: get('/store/*'), answer: of(''), expect: { body: '' } },
      { file: '*', content: '' },
    ],
  },
  ...['404 Not Found', '206 Partial Content', '201 Created', '302 Found', '500 Internal Server Error'].map((status): Sequence => ({
    name: `status ${status}`,
    steps: [
      { request: get('/store/*'), answer: reply([`Status: ${status}`], 'first'), expect: { status: Number(status.slice(0, 3)), reason: status.slice(4), body: 'first' } },
      { file: '*', content: undefined },
    ],
  })),
  {
    name: 'a short body',
    steps: [
      { request: get('/store/*'), answer: of('first', 'Content-Length: 10'), expect: { body: 'first', cut: true } },
      { file: '*', content: undefined },
    ],
  },
  {
    name: 'a short body where a whole one was: that stays',
    steps: [
      { request: get('/store/*'), answer: of('first'), expect: { body: 'first' } },
      { request: get('/store/*'), answer: of('second', 'Content-Length: 10'), expect: { body: 'second', cut: true } },
      { file: '*', content: 'first' },
    ],
  },
  {
    name: 'surplus bytes',
    steps: [
      { request: get('/store/*'), answer: of('firstly', 'Content-Length: 5'), expect: { body: 'first' } },
      { file: '*', content: 'first' },
    ],
  },
  {
    name: 'no reply',
    steps: [
      { request: get('/store/*'), answer: async (exchange) => exchange.end(), expect: own(502) },
      { file: '*', content: undefined },
    ],
  },
  {
    name: 'HEAD',
    steps: [
      { request: request('HEAD', '/store/*'), answer: of('', 'Content-Length: 5'), expect: { headers: { 'content-length': '5' } } },
      { file: '*', content: undefined },
    ],
  },
  {
    name: 'HEAD without Content-Length',
    steps: [
      { request: request('HEAD', '/store/*'), answer: of(''), expect: {} },
      { file: '*', content: undefined, nginx: { why: 'it takes the reply to HEAD for an empty one', content: '' } },
    ],
  },
  {
    name: 'POST',
    steps: [
      { request: request('POST', '/store/*', [], 'abc'), answer: of('first'), expect: { body: 'first', sent: 'abc' } },
      { file: '*', content: undefined, nginx: { why: 'it does not look at the method', content: 'first' } },
    ],
  },
  {
    name: 'POST that is listed',
    steps: [
      { request: request('POST', '/store-post/*', [], 'abc'), answer: of('first'), expect: { body: 'first', sent: 'abc' } },
      { file: '*', content: 'first' },
    ],
  },
  {
    name: 'a reply that is for one client only: Cache-Control',
    steps: [
      { request: get('/store/*'), answer: of('first', 'Cache-Control: private'), expect: { body: 'first', headers: { 'cache-control': 'private' } } },
      { file: '*', content: undefined, nginx: { why: 'it gives one user\'s reply to others', content: 'first' } },
    ],
  },
  {
    name: 'a reply that is for one client only: Set-Cookie',
    steps: [
      { request: get('/store/*'), answer: of('first', 'Set-Cookie: a=1'), expect: { body: 'first', headers: { 'set-cookie': 'a=1' } } },
      { file: '*', content: undefined, nginx: { why: 'it gives one user\'s reply to others', content: 'first' } },
    ],
  },
  {
    name: 'a reply that is for one client only: Authorization',
    steps: [
      { request: get('/store/*', 'Authorization: Basic YTpi'), answer: of('first'), expect: { body: 'first' } },
      { file: '*', content: undefined, nginx: { why: 'it gives one user\'s reply to others', content: 'first' } },
    ],
  },
  {
    name: 'a reply that says not to buffer it',
    steps: [
      { request: get('/store/*'), answer: of('first', 'X-Accel-Buffering: no'), expect: { body: 'first' } },
      { file: '*', content: undefined },
    ],
  },
  {
    name: 'X-Accel-Redirect',
    steps: [
      { request: get('/store/*'), answer: [of('first', 'X-Accel-Redirect: /app/x'), of('target')], expect: { body: 'target' } },
      { file: '*', content: undefined },
    ],
  },
  {
    name: 'dots and slashes that are escaped',
    steps: [
      { request: get('/store/*/..%2fup'), answer: of('first'), expect: { body: 'first' } },
      { file: 'up', content: 'first' },
    ],
  },
]
