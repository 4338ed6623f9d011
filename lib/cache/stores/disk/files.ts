import fs from 'node:fs'
import { promisify } from 'node:util'

// Plain descriptors: an object for each open file costs more than the reading of a small one.
export const open = promisify(fs.open)
export const close = promisify(fs.close)
export const fstat = promisify(fs.fstat)
export const rename = promisify(fs.rename)

/** A body up to so many bytes is small: it is written at once, together with its head. */
export const SMALL = 65_536

/** There is no such file, asked at once: the system knows from memory of most that there are not. */
export function isMissing (path: string): boolean {
  try {
    return fs.statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

/** Writes a new file at once, from its start on. */
export function writeNow (fd: number, buffers: readonly Buffer[]): void {
  const bytes = Buffer.concat(buffers)
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, at)
}

/** Closes a file for good; what goes wrong then concerns nobody. */
export function shut (fd: number): void {
  fs.close(fd, () => {})
}

/** Reads once. That a regular file gives less than it was asked for means its end. */
export function readOnce (fd: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, buffer.length, position, (error, bytes) => {
      if (error === null) resolve(bytes)
      else reject(error)
    })
  })
}

/** Reads until the buffer is full or the file ends; gives the number of bytes. */
export function readAt (fd: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const next = (have: number): void => {
      fs.read(fd, buffer, have, buffer.length - have, position + have, (error, bytes) => {
        if (error !== null) reject(error)
        else if (bytes === 0 || have + bytes === buffer.length) resolve(have + bytes)
        else next(have + bytes)
      })
    }
    next(0)
  })
}

/** Writes all of it. */
export function writeAt (fd: number, buffers: readonly Buffer[], position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (rest: Buffer[], at: number): void => {
      if (rest.length === 0) {
        resolve()
        return
      }
      fs.writev(fd, rest, at, (error, bytes) => {
        if (error !== null) {
          reject(error)
          return
        }
        // A disk that fills up, or a signal, writes less than it was given.
        const left: Buffer[] = []
        let skip = bytes
        for (const buffer of rest) {
          if (skip < buffer.length) left.push(skip > 0 ? buffer.subarray(skip) : buffer)
          skip = Math.max(0, skip - buffer.length)
        }
        next(left, at + bytes)
      })
    }
    next(buffers.filter(buffer => buffer.length > 0), position)
  })
}
