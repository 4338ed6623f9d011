import type { Size } from './units.ts'

/** A directory for temporary files. */
export interface TempPathOptions {
  /** The directory. It is created with mode 0700 if it does not exist; its parent must exist. */
  path: string
  /**
   * Up to three levels of subdirectories, created when needed. Each is named by this many digits from the end of the file's number:
   * with `[1, 2]` the eleventh file is `1/01/0000000011`. Default none.
   */
  levels?: readonly number[]
}

/**
 * How much of a reply is buffered if the client is slower than the application: first in memory, then in one unlinked temporary file.
 * Buffering never delays a reply: data is sent as soon as the client takes it. Before the file is begun the application waits for the
 * client, at most 50 ms at a stretch and half a second in all; not where the reply is cached or stored.
 */
export interface BufferingOptions {
  /** Turn buffering on; `X-Accel-Buffering` of a reply overrides it. Default true. (scgi_buffering) */
  enabled?: boolean
  /** Maximum size of the head of a reply, and of a single read; at least 1k. Default 64k. (scgi_buffer_size) */
  bufferSize?: Size
  /**
   * Number (at least 2) and size (at least 1k) of the further buffers. A reply uses at most `bufferSize` + number × size of
   * memory, beside the data that waits to be sent to the client. Default `[8, '8k']`. (scgi_buffers)
   */
  buffers?: readonly [number: number, size: Size]
  /**
   * Bytes that wait to be sent to the client; at least the size of one of the `buffers`. Default 16k, or twice that size if
   * that is more. (scgi_busy_buffers_size)
   */
  busyBuffersSize?: Size
  /**
   * Maximum size of the temporary file of a reply; at least the size of one of the `buffers`, or 0 for no file. The application
   * waits when memory and file are full. Does not apply to replies that are cached or stored. Default 1g.
   * (scgi_max_temp_file_size)
   */
  maxTempFileSize?: Size
  /**
   * Maximum size of a write to the file; at least the size of one of the `buffers`. Default 16k, or twice that size if that is
   * more. (scgi_temp_file_write_size)
   */
  tempFileWriteSize?: Size
  /** Directory of the temporary files. Default: our own, mode 0700, below the system's. (scgi_temp_path) */
  tempPath?: string | TempPathOptions
  /** Maximum size of the temporary files of all replies of this mount together; 0 for no file. Default: no limit. */
  tempTotalSize?: Size
}
