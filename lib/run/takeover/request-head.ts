// Which requests may be answered by another worker: those that change nothing, and of which everything was read at once.

const END = '\r\n\r\n'
const REQUEST_LINE = /^(?:GET|HEAD|OPTIONS) [^ \r\n]+ HTTP\/1\.[01]\r\n/
/** Fields that say that more comes after the head, or that the answer is not one reply. */
const MORE = /\r\n(?:transfer-encoding|upgrade|expect|http2-settings)[ \t]*:/i
const LENGTHS = /\r\ncontent-length[ \t]*:([^\r\n]*)/gi
/** Lines that end otherwise, or go on: Node.js may read something else than what is looked for here. */
const ODD = /[^\r]\n|\r[^\n]|\r\n[ \t]/

const FIRST = new Set(['G', 'H', 'O'].map(letter => letter.charCodeAt(0)))
const CR = 13
const LF = 10

/** Whether these bytes may be one whole request that can be repeated; a quick look, for each request. */
export function mayBeWhole (bytes: Uint8Array): boolean {
  const { length } = bytes
  return FIRST.has(bytes[0] ?? 0) && bytes[length - 1] === LF && bytes[length - 2] === CR && bytes[length - 3] === LF
}

/** Whether these bytes are one request and nothing else, without a body, that may be answered again. */
export function isRepeatable (bytes: Buffer): boolean {
  const text = bytes.toString('latin1')
  if (!REQUEST_LINE.test(text) || text.indexOf(END) !== text.length - END.length || ODD.test(text) || MORE.test(text)) return false
  for (const [, value = ''] of text.matchAll(LENGTHS)) if (value.trim() !== '0') return false
  return true
}
