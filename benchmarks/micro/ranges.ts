// What the range and condition filters cost a reply that nobody wants a part of, and one that somebody does.
//   node --import ./scripts/typescript.js benchmarks/micro/ranges.ts
import { bench, do_not_optimize as keep, group as section, run } from 'mitata'
import { evaluateConditions } from '../../lib/http/conditions.ts'
import { planRanges, type RangeEntity } from '../../lib/http/ranges.ts'

const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT'
const entity: RangeEntity = { status: 200, size: 100_000, etag: '"x"', lastModified: DATE, contentType: 'text/html; charset=utf-8', allowed: true }
const browser = { host: 'example.org', 'user-agent': 'Mozilla/5.0', accept: '*/*', 'accept-encoding': 'gzip, br', 'accept-language': 'en', cookie: 'sid=0123456789' }

const get = (headers: Record<string, string>): { method: string, headers: Record<string, string> } => ({ method: 'GET', headers: { ...browser, ...headers } })

section('planRanges', () => {
  for (const [title, request] of [
    ['no Range', get({})],
    ['one range', get({ range: 'bytes=0-999' })],
    ['one range, If-Range with a date', get({ range: 'bytes=0-999', 'if-range': DATE })],
    ['five ranges', get({ range: 'bytes=0-9,20-29,40-49,60-69,80-89' })],
  ] as const) bench(title, () => { keep(planRanges(request, entity)) })
  const plain = get({})
  bench('no Range, the entity made for it', () => {
    keep(planRanges(plain, { status: 200, size: 100_000, etag: '"x"', lastModified: DATE, contentType: 'text/html', allowed: true }))
  })
})

section('evaluateConditions', () => {
  for (const [title, request] of [
    ['no condition', get({})],
    ['If-None-Match', get({ 'if-none-match': '"y"' })],
    ['If-Modified-Since', get({ 'if-modified-since': DATE })],
  ] as const) bench(title, () => { keep(evaluateConditions(request, entity)) })
})

await run()
