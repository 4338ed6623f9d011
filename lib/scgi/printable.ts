const MAX_SHOWN = 40

/** Latin1 text of the other side, for an error message: short, and nothing but printable ASCII. */
export function printable (text: string): string {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text
  return shown.replace(/[^\x20-\x7e]/g, char => hex(char.charCodeAt(0), '\\x'))
}

/** A byte for an error message. */
export function printableByte (byte: number): string {
  return byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte ${hex(byte, '0x')}`
}

function hex (code: number, prefix: string): string {
  return prefix + code.toString(16).padStart(2, '0')
}
