import { FRESH, of, saw } from './cache-steps.ts'
import { get, request } from './row.ts'
import type { Sequence } from './sequence.ts'

/** Which requests meet which entries. */
export const keySequences: Sequence[] = [
  {
    name: 'the query is part of the key',
    steps: [
      { request: get('/cache/*?a=1'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*?a=2'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*?a=1'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'what the client says in Cache-Control and Pragma makes no difference',
    steps: [
      { request: get('/cache/*', 'Cache-Control: no-store'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*', 'Cache-Control: no-cache', 'Pragma: no-cache'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'Authorization',
    steps: [
      { request: get('/cache/*', 'Authorization: Basic YTpi'), answer: of('mine', FRESH), expect: saw('MISS', 'mine', { 'cache-control': 'max-age=60' }) },
      {
        request: get('/cache/*'),
        answer: of('all', FRESH),
        expect: saw('MISS', 'all', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'it gives one user\'s reply to another, against RFC 9111 section 3.5', headers: { 'x-cache-status': 'HIT' }, body: 'mine', attempts: 0 },
      },
    ],
  },
  {
    name: 'Authorization, and the reply is public',
    steps: [
      { request: get('/cache/*', 'Authorization: Basic YTpi'), answer: of('first', 'Cache-Control: public, max-age=60'), expect: saw('MISS', 'first', { 'cache-control': 'public, max-age=60' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'first', { 'cache-control': 'public, max-age=60' }) },
    ],
  },
  {
    name: 'variants',
    steps: [
      { request: get('/cache/*', 'X-A: 1'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 2'), answer: of('two', FRESH, 'Vary: X-A'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*'), answer: of('none', FRESH, 'Vary: X-A'), expect: saw('MISS', 'none', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 1'), expect: saw('HIT', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 2', 'X-B: 1'), expect: saw('HIT', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'none', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
    ],
  },
  {
    name: 'variants: lists are compared without their blanks',
    steps: [
      { request: get('/cache/*', 'Accept-Encoding: gzip, br'), answer: of('one', FRESH, 'Vary: Accept-Encoding'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
      { request: get('/cache/*', 'Accept-Encoding: gzip,br'), expect: saw('HIT', 'one', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
      { request: get('/cache/*', 'Accept-Encoding: br, gzip'), answer: of('two', FRESH, 'Vary: Accept-Encoding'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
      { request: get('/cache/*', 'Accept-Encoding: GZIP, br'), answer: of('three', FRESH, 'Vary: Accept-Encoding'), expect: saw('MISS', 'three', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
    ],
  },
  {
    name: 'variants: in other headers every character counts',
    steps: [
      { request: get('/cache/*', 'X-A: a, b'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: a,b'), answer: of('two', FRESH, 'Vary: X-A'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
    ],
  },
  {
    name: 'variants: an empty header is not the same as none',
    steps: [
      { request: get('/cache/*'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A:'), answer: of('two', FRESH, 'Vary: X-A'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }), nginx: { why: 'to it there is no difference', headers: { 'x-cache-status': 'HIT' }, body: 'one', attempts: 0 } },
    ],
  },
  {
    name: 'a Vary that changes',
    steps: [
      { request: get('/cache/*', 'X-A: 1', 'X-B: 1'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 2', 'X-B: 1'), answer: of('two', FRESH, 'Vary: X-B'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-B' }) },
      { request: get('/cache/*', 'X-A: 3', 'X-B: 1'), expect: saw('HIT', 'two', { 'cache-control': 'max-age=60', vary: 'X-B' }) },
    ],
  },
  {
    name: 'HEAD, then GET',
    steps: [
      {
        request: request('HEAD', '/cache/*'),
        answer: async (exchange) => exchange.end(of(exchange.request.param('REQUEST_METHOD') === 'GET' ? 'first' : '', FRESH, 'Content-Length: 5')),
        expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60', 'content-length': '5' }), params: { REQUEST_METHOD: 'GET' } },
        nginx: { why: 'it has no conversion for SCGI', params: { REQUEST_METHOD: 'HEAD' } },
      },
      {
        request: get('/cache/*'),
        answer: of('second', FRESH, 'Content-Length: 6'),
        expect: { ...saw('HIT', 'first', { 'cache-control': 'max-age=60' }), attempts: 0 },
        nginx: { why: 'the HEAD brought nothing that could be stored', headers: { 'x-cache-status': 'MISS' }, body: 'second', attempts: 1 },
      },
    ],
  },
  {
    name: 'HEAD without Content-Length, then GET',
    steps: [
      {
        request: request('HEAD', '/cache/*'),
        answer: async (exchange) => exchange.end(of(exchange.request.param('REQUEST_METHOD') === 'GET' ? 'first' : '', FRESH)),
        expect: saw('MISS', '', { 'cache-control': 'max-age=60' }),
      },
      {
        request: get('/cache/*'),
        expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to HEAD is the empty reply to GET', body: '' },
      },
    ],
  },
  {
    name: 'GET, then HEAD',
    steps: [
      { request: get('/cache/*'), answer: of('first', FRESH, 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: request('HEAD', '/cache/*'), expect: saw('HIT', '', { 'cache-control': 'max-age=60', 'content-length': '5' }) },
    ],
  },
  {
    name: 'HEAD that is not converted stores nothing',
    steps: [
      {
        request: request('HEAD', '/head-as-head/*'),
        answer: of('', FRESH),
        expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60' }), params: { REQUEST_METHOD: 'HEAD' } },
      },
      {
        request: get('/head-as-head/*'),
        answer: of('second', FRESH),
        expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to HEAD is the empty reply to GET', headers: { 'x-cache-status': 'HIT' }, body: '', attempts: 0 },
      },
    ],
  },
  {
    name: 'HEAD that is not converted is answered from what is there',
    steps: [
      { request: get('/head-as-head/*'), answer: of('first', FRESH, 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: request('HEAD', '/head-as-head/*'), expect: saw('HIT', '', { 'cache-control': 'max-age=60', 'content-length': '5' }) },
    ],
  },
  {
    name: 'POST has nothing to do with the cache',
    steps: [
      { request: get('/cache/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: request('POST', '/cache/*', [], 'abc'), answer: of('posted', FRESH), expect: { ...saw(undefined, 'posted', { 'cache-control': 'max-age=60' }), sent: 'abc' } },
      { request: get('/cache/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'POST that is listed',
    steps: [
      { request: request('POST', '/post/*', [], 'abc'), answer: of('posted', FRESH), expect: { ...saw('MISS', 'posted', { 'cache-control': 'max-age=60' }), sent: 'abc' } },
      { request: request('POST', '/post/*', [], 'abc'), expect: saw('HIT', 'posted', { 'cache-control': 'max-age=60' }) },
      {
        request: get('/post/*'),
        answer: of('got', FRESH),
        expect: saw('MISS', 'got', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to POST is the reply to GET, unless the key has the method', headers: { 'x-cache-status': 'HIT' }, body: 'posted', attempts: 0 },
      },
    ],
  },
  {
    name: 'a zone for some requests',
    steps: [
      { request: get('/zone/*?zone=off'), answer: of('first', FRESH), expect: saw(undefined, 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/zone/*?zone=off'), answer: of('second', FRESH), expect: saw(undefined, 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/zone/*'), answer: of('third', FRESH), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60' }) },
      { request: get('/zone/*'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'bypass, which replaces what is there',
    steps: [
      { request: get('/bypass/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*', 'X-Refresh: 0'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*', 'X-Refresh: 1'), answer: of('second', FRESH), expect: saw('BYPASS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'bypass, and the reply is not to be stored: what is there stays',
    steps: [
      { request: get('/bypass/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*', 'X-Refresh: 1'), answer: of('second', 'Cache-Control: no-store'), expect: saw('BYPASS', 'second', { 'cache-control': 'no-store' }) },
      { request: get('/bypass/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'bypass when there is nothing',
    steps: [
      { request: get('/bypass/*', 'X-Refresh: 1'), answer: of('first', FRESH), expect: saw('BYPASS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'no_cache, asked of the request and of the reply',
    steps: [
      { request: get('/no-cache/*', 'X-Private: 1'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/no-cache/*'), answer: of('second', FRESH, 'X-Volatile: 1'), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60', 'x-volatile': '1' }) },
      { request: get('/no-cache/*'), answer: of('third', FRESH, 'X-Volatile: 0'), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60', 'x-volatile': '0' }) },
      { request: get('/no-cache/*', 'X-Private: 1'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60', 'x-volatile': '0' }) },
    ],
  },
  {
    name: 'the same in bypass and no_cache',
    steps: [
      { request: get('/around/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/around/*', 'X-Refresh: 1'), answer: of('second', FRESH), expect: saw('BYPASS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/around/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'min_uses',
    steps: [
      { request: get('/min-uses/*', 'If-None-Match: "a"'), answer: of('first', FRESH, 'ETag: "a"'), expect: { ...saw('MISS', 'first', { 'cache-control': 'max-age=60', etag: '"a"' }), params: { HTTP_IF_NONE_MATCH: '"a"' } } },
      { request: get('/min-uses/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/min-uses/*'), answer: of('third', FRESH), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60' }) },
      { request: get('/min-uses/*'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60' }) },
    ],
  },
]
