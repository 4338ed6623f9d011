import { constants, fstatSync, openSync, closeSync, write } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'
import { codeOf } from '../runtime/caught.ts'

/** Bytes that wait for a log that takes none; what comes beyond them is dropped. */
const BUFFER_SIZE = 1024 ** 2
/** Bytes written at once. */
const BATCH_SIZE = 65_536
/** What several processes write to one pipe stays whole up to this. (POSIX: PIPE_BUF) */
const SHARED_BATCH_SIZE = 4096
/** Milliseconds until a terminal that takes nothing is tried again. */
const RETRY = 100

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT
const TERMINAL = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** Takes bytes, all or some of them, and tells how many. */
type Sink = (bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void

/**
 * Where the lines of the log go. Nothing here ever waits: a pipe that nobody reads, a terminal that is held, a disk that is full cost lines,
 * which are counted, and never the gateway.
 */
export class LogWriter {
  /** Told, once lines are taken again, how many were lost. */
  onDropped: ((lines: number) => void) | undefined
  readonly #path: string | undefined
  #fd: number | undefined
  #sink: Sink
  #lines: string[] = []
  #bytes = 0
  #dropped = 0
  #writing = false
  #inThread = false
  /** The last line is there in part only. */
  #cut = false
  #idle: (() => void)[] = []
  readonly #batch: number

  /**
   * @param path of a file to append to; `undefined` for the standard output
   * @param shared other processes write there, too
   * @throws as `fs.openSync`
   */
  constructor (path?: string, shared = false) {
    this.#path = path
    this.#batch = shared ? SHARED_BATCH_SIZE : BATCH_SIZE
    if (path === undefined) {
      this.#sink = this.#standardOutput()
    } else {
      this.#fd = openSync(path, APPEND, 0o640)
      this.#sink = this.#fileSink(this.#fd)
    }
  }

  /** Something is being written by a thread of Node.js, which the end of the process would wait for. */
  get holdsThread (): boolean {
    return this.#inThread
  }

  /** `reopen` opens it anew. */
  get isFile (): boolean {
    return this.#path !== undefined
  }

  write (line: string): void {
    if (this.#bytes >= BUFFER_SIZE) {
      this.#dropped++
      return
    }
    this.#lines.push(line)
    this.#bytes += line.length
    if (!this.#writing) this.#next()
  }

  /**
   * Opens the file anew, after it was renamed by whoever rotates the logs. False if there is none.
   * @throws as `fs.openSync`; it then goes on with the file as it was
   */
  reopen (): boolean {
    if (this.#path === undefined) return false
    const before = this.#fd
    this.#fd = openSync(this.#path, APPEND, 0o640)
    this.#sink = this.#fileSink(this.#fd)
    const close = (): void => { if (before !== undefined) closeSync(before) }
    if (this.#writing) this.#idle.push(close)
    else close()
    return true
  }

  /** Closes the file, once what waits is written. The standard output stays open. */
  close (): void {
    const fd = this.#fd
    if (fd === undefined) return
    this.#fd = undefined
    // The number may be that of another file by the next line.
    const end = (): void => {
      this.#sink = (_bytes, done) => process.nextTick(done, new Error('the log is closed'), 0)
      closeSync(fd)
    }
    if (this.#writing) this.#idle.push(end)
    else end()
  }

  /** Waits until all lines are written, but no longer than so many milliseconds. */
  async flush (milliseconds: number): Promise<void> {
    if (!this.#writing) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, milliseconds)
      this.#idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #next (): void {
    let count = 0
    let size = 0
    for (; count < this.#lines.length; count++) {
      const { length } = this.#lines[count] ?? ''
      if (count > 0 && size + length > this.#batch) break
      size += length
    }
    if (count === 0) {
      this.#writing = false
      const idle = this.#idle
      this.#idle = []
      for (const tell of idle) tell()
      return
    }
    this.#writing = true
    const text = this.#lines.splice(0, count).join('')
    this.#put(Buffer.from(this.#cut ? `\n${text}` : text), text.length, count)
  }

  #put (bytes: Buffer, size: number, lines: number): void {
    const sink = this.#sink
    sink(bytes, (error, written) => {
      if (error === null && written < bytes.length) {
        this.#cut = true
        this.#put(bytes.subarray(written), size, lines)
      } else if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#put(bytes, size, lines), RETRY).unref()
      } else {
        this.#bytes -= size
        if (error === null) this.#taken()
        else this.#dropped += lines
        // Not from within: an error may come at once, and the lines are many.
        setImmediate(() => this.#next())
      }
    })
  }

  #taken (): void {
    this.#cut = false
    const dropped = this.#dropped
    if (dropped === 0) return
    this.#dropped = 0
    this.onDropped?.(dropped)
  }

  #fileSink (fd: number): Sink {
    return (bytes, done) => {
      this.#inThread = true
      write(fd, bytes, 0, bytes.length, null, (error, written) => {
        this.#inThread = false
        done(error, written)
      })
    }
  }

  #standardOutput (): Sink {
    const fd = 1
    try {
      const stat = fstatSync(fd)
      if (stat.isFIFO() || stat.isSocket()) return pipeSink(fd)
      // Not the description that the shell has too, whose writes would no longer wait.
      if (isatty(fd)) return this.#fileSink(openSync(`/proc/self/fd/${fd}`, TERMINAL))
    } catch (error) {
      // Closed; else another user's terminal, or one of a system without /proc, which is written to as it is.
      if (codeOf(error) === 'EBADF') return (_bytes, done) => process.nextTick(done, error, 0)
    }
    return this.#fileSink(fd)
  }
}

/** A file's own write would hold a thread for as long as nobody reads, and the end of the process waits for its threads. */
function pipeSink (fd: number): Sink {
  const socket = new Socket({ fd, readable: false, writable: true })
  let closed: Error | undefined
  socket.on('error', error => { closed = error })
  socket.unref()
  return (bytes, done) => {
    if (closed !== undefined) process.nextTick(done, closed, 0)
    else socket.write(bytes, error => done(error ?? null, bytes.length))
  }
}
