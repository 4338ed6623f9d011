let zlib: typeof import('node:zlib') | undefined

/** As that of `node:zlib`, which takes a while to load, and which an application without a cache on disk does not need. */
export function crc32 (bytes: Buffer | string, before = 0): number {
  zlib ??= process.getBuiltinModule('node:zlib')
  return zlib.crc32(bytes, before)
}
