import { Readable } from 'node:stream'

/** The body of an entry as a store of ours may give it: parts of it can be had as well, and in any order, whatever has become of the entry. */
export abstract class PartedBody extends Readable {
  /**
   * A part of this body, both ends included, as often as is wanted until this is destroyed: neither what is read of this, nor its end, makes a
   * difference. `undefined` if it is outside, or this was destroyed.
   */
  abstract openPart (first: number, last: number): Readable | Promise<Buffer> | undefined
}
