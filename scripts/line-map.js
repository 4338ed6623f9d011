// A source map that knows of a line where it comes from, not of each name in it: Node.js parses the map of a module as soon as anyone asks an error
// for its stack, and one of all of `lib/` with its 130,000 places takes longer than many a test.
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/**
 * Leaves one place of each line in the mappings of a source map: its first.
 * @param {string} mappings
 */
export function linesOnly (mappings) {
  // Each number but the column counts from the one before, and the dropped ones count, too.
  const at = [0, 0, 0]
  let written = [0, 0, 0]
  return mappings.split(';').map(line => {
    let first = ''
    for (const segment of line.split(',')) {
      const [, ...moves] = numbers(segment)
      // A place without a source says that there is none.
      if (moves.length < 3) continue
      for (const index of at.keys()) at[index] += moves[index]
      if (first !== '') continue
      first = [0, ...at.map((value, index) => value - written[index])].map(digits).join('')
      written = [...at]
    }
    return first
  }).join(';')
}

function numbers (segment) {
  const list = []
  let value = 0
  let shift = 0
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit)
    value |= (bits & 31) << shift
    shift += 5
    if (bits & 32) continue
    list.push(value & 1 ? -(value >>> 1) : value >>> 1)
    value = shift = 0
  }
  return list
}

function digits (number) {
  let rest = number < 0 ? -number << 1 | 1 : number << 1
  let text = ''
  do {
    text += DIGITS[rest & 31 | (rest > 31 ? 32 : 0)]
    rest >>>= 5
  } while (rest > 0)
  return text
}
