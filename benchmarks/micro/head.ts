// What the head parser costs, beside the other ways to write it. Run: node --import ./scripts/typescript.js benchmarks/micro/head.ts
import { bench, do_not_optimize as keep, run, summary } from 'mitata'
import assert from 'node:assert/strict'
import { HeadParser } from '../../lib/scgi/head.ts'

const LIMIT = 65_536
const LINES = [
  'Status: 200 OK',
  'Content-Type: text/html; charset=utf-8',
  'Content-Length: 1024',
  'Date: Sat, 01 Aug 2026 10:00:00 GMT',
  'Server: uWSGI',
  'Cache-Control: private, max-age=0, must-revalidate',
  'ETag: "5f3c-1a2b3c4d5e6f"',
  'Last-Modified: Fri, 31 Jul 2026 09:00:00 GMT',
  'Vary: Accept-Encoding, Cookie',
  'Set-Cookie: sid=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; SameSite=Lax',
  'X-Frame-Options: SAMEORIGIN',
  'X-App-Trace: 7d1f0e2c-8a6b-4c5d-9e0f-112233445566',
]

const reply = (lines: string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\n${'x'.repeat(1024)}`)
const heads = [
  ['3 headers', reply(LINES.slice(0, 3))],
  ['12 headers', reply(LINES)],
  ['12 headers, status line', reply(['HTTP/1.1 200 OK', ...LINES.slice(1)])],
  ['12 headers, lower case', reply(LINES.map(line => line.replace(/^[^:]+/, name => name.toLowerCase())))],
] as const

interface Parsed { headers: Record<string, string>, rawHeaders: string[] }

function whole (reply: Buffer): Parsed | undefined {
  const parser = new HeadParser(LIMIT)
  parser.write(reply, 0, reply.length)
  return parser.head as Parsed | undefined
}

function halves (reply: Buffer): Parsed | undefined {
  const parser = new HeadParser(LIMIT)
  parser.write(reply, 0, 50)
  parser.write(reply, 50, reply.length)
  return parser.head as Parsed | undefined
}

// The alternatives do less: they know no duplicates, framing, status, limit or split, and judge no byte.

const lowerNames = new Map(LINES.map(line => line.slice(0, line.indexOf(':'))).map(name => [name, name.toLowerCase()]))

/** One latin1 string of what has arrived, its character codes scanned, names found in a Map. */
function oneString (reply: Buffer): Parsed {
  const text = reply.toString('latin1')
  const headers: Record<string, string> = Object.create(null)
  const rawHeaders: string[] = []
  for (let at = 0; ;) {
    const line = at
    let colon = -1
    let code = text.charCodeAt(at)
    for (; code !== 10; code = text.charCodeAt(++at)) {
      if (code === 58 && colon < 0) colon = at
    }
    const end = text.charCodeAt(at - 1) === 13 ? at - 1 : at
    if (end <= line) return { headers, rawHeaders }
    const name = text.slice(line, colon)
    const value = text.slice(text.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1, end)
    rawHeaders.push(name, value)
    headers[lowerNames.get(name) ?? name.toLowerCase()] = value
    at++
  }
}

/** Bytes searched by indexOf, a string for each name and value. */
function manyStrings (reply: Buffer): Parsed {
  const headers: Record<string, string> = {}
  const rawHeaders: string[] = []
  for (let line = 0; ;) {
    const lf = reply.indexOf(10, line)
    const end = reply[lf - 1] === 13 ? lf - 1 : lf
    if (end <= line) return { headers, rawHeaders }
    const colon = reply.indexOf(58, line)
    const name = reply.toString('latin1', line, colon)
    const value = reply.toString('latin1', colon + 1, end).trim()
    rawHeaders.push(name, value)
    headers[name.toLowerCase()] = value
    line = lf + 1
  }
}

/** What one writes first. */
function splitAndTrim (reply: Buffer): Parsed {
  const headers: Record<string, string> = {}
  const rawHeaders: string[] = []
  const text = reply.toString('latin1', 0, reply.indexOf('\r\n\r\n'))
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1).trim()
    rawHeaders.push(name, value)
    headers[name.toLowerCase()] = value
  }
  return { headers, rawHeaders }
}

const ways = { HeadParser: whole, 'HeadParser, two chunks': halves, 'one string': oneString, 'many strings': manyStrings, split: splitAndTrim }

for (const [title, reply] of heads) {
  const statusLine = title.includes('status line')
  summary(() => {
    for (const [name, parse] of Object.entries(ways)) {
      if (statusLine && !name.startsWith('HeadParser')) continue
      if (!statusLine) assert.deepEqual(parse(reply)?.rawHeaders, splitAndTrim(reply).rawHeaders)
      bench(`${title}: ${name}`, () => { keep(parse(reply)) })
    }
  })
}

await run()
