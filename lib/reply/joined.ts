/** The pieces as one. The exchange puts those of a body of known length next to each other. */
export function joined (first: Buffer, pieces: readonly Buffer[], length: number): Buffer {
  const { buffer, byteOffset } = first
  let end = byteOffset
  for (const piece of pieces) {
    if (piece.buffer !== buffer || piece.byteOffset !== end) return Buffer.concat(pieces, length)
    end += piece.length
  }
  return Buffer.from(buffer, byteOffset, length)
}
