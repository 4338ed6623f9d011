import type { Size } from './units.ts'

/** A directory for temporary files. */
export interface TempPathOptions {
  /** The directory. It is made, mode 0700, where it is missing; the one above it must be there. */
  path: string
  /**
   * Up to three levels of directories below it, made when they are needed: so many digits each of the file's number, from its end.
   * With `[1, 2]` the eleventh file is `1/01/0000000011`. Default none.
   */
  levels?: readonly number[]
}

/**
 * How far the application is read ahead of a client that is slower: in memory, then in one unlinked temporary file, and no further.
 * Nothing that has arrived is withheld from a client that takes it.
 */
export interface BufferingOptions {
  /** Read the reply ahead of the client; `X-Accel-Buffering` of a reply overrides it. Default true. (scgi_buffering) */
  enabled?: boolean
  /** Largest head of a reply, and largest single read; at least 1k. Default 64k. (scgi_buffer_size) */
  bufferSize?: Size
  /**
   * Number, at least 2, and size, at least 1k, of the further buffers: `bufferSize` + number × size is what one reply may hold in
   * memory beside what was handed to the client. Default `[8, '8k']`. (scgi_buffers)
   */
  buffers?: readonly [number: number, size: Size]
  /**
   * Bytes handed to the client and not sent yet; at least the size of one of the `buffers`. Default 16k, or twice that size where
   * this is more. (scgi_busy_buffers_size)
   */
  busyBuffersSize?: Size
  /**
   * Most bytes of one reply in its temporary file; at least the size of one of the `buffers`, or 0 for no file: the application then
   * waits when memory is full. It also waits when the file is. Replies that are cached or stored are not bound by it. Default 1g.
   * (scgi_max_temp_file_size)
   */
  maxTempFileSize?: Size
  /**
   * Most bytes in one write to the file; at least the size of one of the `buffers`. Default 16k, or twice that size where this is
   * more. (scgi_temp_file_write_size)
   */
  tempFileWriteSize?: Size
  /** Directory of the temporary files. Default: a directory of our own, mode 0700, under the system's. (scgi_temp_path) */
  tempPath?: string | TempPathOptions
  /** Most bytes in the temporary files of all replies of this mount; 0 for no file. Default: without limit. */
  tempTotalSize?: Size
}
