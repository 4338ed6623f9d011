import dgram from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** One record of an answer. */
export interface DnsRecord {
  /** An address, for SRV `'priority weight port target'`, for CNAME a name. */
  data: string
  /** Default: that of the question. */
  kind?: DnsKind
  /** In seconds. Default 60. */
  ttl?: number
}

export type DnsKind = 'A' | 'AAAA' | 'SRV' | 'CNAME'

/** What a question gets. An empty list says that the name exists and has nothing of this kind. */
export type DnsAnswer = DnsRecord[] | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED' | 'silence'

const KINDS = new Map<number, DnsKind>([[1, 'A'], [28, 'AAAA'], [33, 'SRV'], [5, 'CNAME']])
const CODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 }

/** A DNS server over UDP that says what it is told to say, and writes down what it was asked. */
export class DnsServer implements AsyncDisposable {
  /** Every question so far: `'A app.test'`. */
  readonly asked: string[] = []
  /** For a resolver: `'127.0.0.1:5353'`. */
  readonly address: string
  readonly #answers = new Map<string, DnsAnswer>()
  readonly #socket: dgram.Socket
  readonly #waiting: (() => void)[] = []

  private constructor (socket: dgram.Socket) {
    this.#socket = socket
    this.address = `127.0.0.1:${socket.address().port}`
    socket.on('message', (message, from) => {
      const reply = this.#reply(message)
      if (reply !== undefined) socket.send(reply, from.port, from.address)
    })
  }

  static async start (): Promise<DnsServer> {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsServer(socket)
  }

  /** What this question gets from now on; others get NXDOMAIN, or nothing where the name has another kind. */
  set (kind: DnsKind, name: string, answer: DnsAnswer | string[]): void {
    this.#answers.set(`${kind} ${name}`, typeof answer === 'string' ? answer : answer.map(record => typeof record === 'string' ? { data: record } : record))
  }

  /** Waits until this was asked `count` times in all. */
  async askedFor (question: string, count: number): Promise<void> {
    while (this.asked.filter(asked => asked === question).length < count) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #reply (message: Buffer): Buffer | undefined {
    const labels: string[] = []
    let at = 12
    for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
      labels.push(message.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const name = labels.join('.').toLowerCase()
    const kind = KINDS.get(message.readUInt16BE(at + 1))
    const question = message.subarray(12, at + 5)
    this.asked.push(`${kind ?? '?'} ${name}`)
    for (const resolve of this.#waiting.splice(0)) resolve()
    const answer = this.#answers.get(`${kind ?? '?'} ${name}`) ?? ([...this.#answers.keys()].some(key => key.endsWith(` ${name}`)) ? [] : 'NXDOMAIN')
    if (answer === 'silence') return undefined
    const records = typeof answer === 'string' ? [] : answer
    const head = Buffer.alloc(12)
    message.copy(head, 0, 0, 2)
    // An answer with recursion available, of a server that is asked one question at a time.
    head.writeUInt16BE(0x8180 | (typeof answer === 'string' ? CODES[answer] : 0), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(records.length, 6)
    return Buffer.concat([head, question, ...records.map(record => encodeRecord(record.kind ?? kind ?? 'A', record))])
  }
}

function encodeRecord (kind: DnsKind, { data, ttl = 60 }: DnsRecord): Buffer {
  const bytes = kind === 'SRV' ? encodeService(data) : kind === 'CNAME' ? encodeName(data) : encodeAddress(data)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0) // the name of the question
  head.writeUInt16BE([...KINDS].find(([, known]) => known === kind)?.[0] ?? 0, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(bytes.length, 10)
  return Buffer.concat([head, bytes])
}

function encodeAddress (address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const [front = '', back] = address.split('::')
  const words = (text: string): number[] => text === '' ? [] : text.split(':').map(word => parseInt(word, 16))
  const end = back === undefined ? [] : words(back)
  const start = words(front)
  const bytes = Buffer.alloc(16)
  start.forEach((word, index) => bytes.writeUInt16BE(word, index * 2))
  end.forEach((word, index) => bytes.writeUInt16BE(word, (8 - end.length + index) * 2))
  return bytes
}

function encodeService (data: string): Buffer {
  const [priority, weight, port, target = ''] = data.split(' ')
  const head = Buffer.alloc(6)
  ;[priority, weight, port].forEach((value, index) => head.writeUInt16BE(Number(value), index * 2))
  return Buffer.concat([head, encodeName(target)])
}

function encodeName (name: string): Buffer {
  const labels = name.split('.').filter(label => label !== '').map(label => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'))
  return Buffer.concat([...labels, Buffer.alloc(1)])
}
