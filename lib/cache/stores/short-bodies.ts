import { copyBytes } from '../../bytes/copy.ts'

/** Who has a body here; it is told where when that changes. */
export interface BodyOwner {
  /** `undefined` while it has none. */
  page: Page | undefined
  slot: number
}

/** A body of so many bytes is too long. It is what Node.js takes from its pool when a copy is handed out. */
export const TOO_LONG = 4096

const PAGE = 32_768
/** Bytes of a slot; of a body little more than a fifth of its slot is left empty. */
const SIZES = [64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096]
const STEP = 64

/** Some memory, in slots of the same size. */
export class Page {
  readonly of: SizeClass
  readonly bytes = Buffer.allocUnsafeSlow(PAGE)
  readonly owners: (BodyOwner | undefined)[]
  /** Slots; the last one is taken first. */
  readonly free: number[] = []

  constructor (of: SizeClass) {
    this.of = of
    this.owners = new Array(of.slots).fill(undefined)
    for (let slot = of.slots - 1; slot >= 0; slot--) this.free.push(slot)
  }
}

/** All pages with slots of one size. */
class SizeClass {
  readonly size: number
  /** Of a page. */
  readonly slots: number
  pages = 0
  /** Pages with free slots; the last one is filled first. */
  readonly #open: Page[] = []
  #free = 0

  constructor (size: number) {
    this.size = size
    this.slots = Math.floor(PAGE / size)
  }

  /** Gives a slot, and says where it begins in its page. */
  place (owner: BodyOwner): { page: Page, at: number } {
    let page = this.#open.at(-1)
    if (page === undefined) {
      this.#open.push(page = new Page(this))
      this.pages++
      this.#free += this.slots
    }
    const slot = page.free.pop() ?? 0
    this.#free--
    if (page.free.length === 0) this.#open.pop()
    page.owners[slot] = owner
    owner.page = page
    owner.slot = slot
    return { page, at: slot * this.size }
  }

  release (page: Page, slot: number): void {
    page.owners[slot] = undefined
    page.free.push(slot)
    this.#free++
    if (page.free.length === 1) this.#open.push(page)
    if (this.#free >= 2 * this.slots) this.#shrink()
  }

  /** Gives the page with the fewest bodies back; the others have room for them. */
  #shrink (): void {
    let emptiest = 0
    for (let i = 1; i < this.#open.length; i++) {
      if ((this.#open[i]?.free.length ?? 0) > (this.#open[emptiest]?.free.length ?? 0)) emptiest = i
    }
    const [page] = this.#open.splice(emptiest, 1)
    if (page === undefined) return
    this.pages--
    this.#free -= page.free.length
    for (const [slot, owner] of page.owners.entries()) {
      if (owner === undefined) continue
      const from = slot * this.size
      const { page: other, at } = this.place(owner)
      page.bytes.copy(other.bytes, at, from, from + this.size)
    }
  }
}

/**
 * Keeps short bodies next to one another in a few large pieces of memory: a Buffer for each of them takes V8 more work than all the rest
 * of an entry, and the memory of those that are gone comes back only with a full collection. What is handed out is a copy, so that a
 * slot can be used again at once.
 */
export class ShortBodies {
  readonly #classes: readonly SizeClass[]
  /** By length, in steps. */
  readonly #byLength: readonly SizeClass[]

  constructor () {
    const classes = this.#classes = SIZES.map(size => new SizeClass(size))
    let next = 0
    this.#byLength = Array.from({ length: TOO_LONG / STEP }, (_, step) => {
      while ((SIZES[next] ?? 0) < (step + 1) * STEP) next++
      const found = classes[next]
      if (found === undefined) throw new RangeError(`no slot for ${(step + 1) * STEP} bytes`)
      return found
    })
  }

  /** Bytes of memory that are taken, free slots included: of each size there are less than two pages of them. */
  get memory (): number {
    return this.#classes.reduce((sum, { pages }) => sum + pages * PAGE, 0)
  }

  /** Bytes that a body takes, for the books. */
  sizeOf (length: number): number {
    return this.#classOf(length).size
  }

  /**
   * Copies a body, of less than `TOO_LONG` bytes.
   * @throws RangeError where it is not of that length: it would run into another's slot, or leave another's bytes in its own
   */
  put (owner: BodyOwner, pieces: readonly Buffer[], length: number): void {
    checkLength(pieces, length)
    const { page, at } = this.#classOf(length).place(owner)
    let end = at
    for (const piece of pieces) {
      page.bytes.set(piece, end)
      end += piece.length
    }
  }

  /** A copy of the body. */
  get ({ page, slot }: BodyOwner, length: number): Buffer {
    if (page === undefined) throw new RangeError('there is no such body')
    const start = slot * page.of.size
    const copy = Buffer.allocUnsafe(length)
    copyBytes(copy, page.bytes, start, start + length)
    return copy
  }

  delete (owner: BodyOwner): void {
    const { page, slot } = owner
    owner.page = undefined
    page?.of.release(page, slot)
  }

  #classOf (length: number): SizeClass {
    const found = this.#byLength[Math.max(0, Math.ceil(length / STEP) - 1)]
    if (found === undefined) throw new RangeError(`a body of ${length} bytes is too long`)
    return found
  }
}

/** @throws RangeError */
export function checkLength (pieces: readonly Buffer[], length: number): void {
  const sum = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (sum !== length) throw new RangeError(`a body of ${sum} bytes, said to have ${length}`)
}
