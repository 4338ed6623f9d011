import { FST_SCGI_CACHE_STORE } from '../../../errors.ts'
import { varyMatches, varyNames } from '../vary.ts'
import { openEntry } from './entry.ts'
import { shut } from './files.ts'
import { variantName } from './names.ts'
import type { Shelf } from './shelf.ts'
import type { DiskWriter } from './writer.ts'

/**
 * Makes an entry of what a writer has got. False where it is not wanted any more.
 *
 * A key's first entry has the key's name, and says in which headers others may differ; those that do have names made of these headers.
 */
export async function commit (shelf: Shelf, writer: DiskWriter): Promise<boolean> {
  if (writer.destroyed) return false
  const name = await nameFor(shelf, writer)
  const temp = await writer.complete()
  if (writer.destroyed) return false
  await shelf.place(temp, name)
  writer.placed()
  const { key: { method }, value: { vary }, name: main } = writer.options
  const names = varyNames(vary)
  shelf.index.add(name, writer.size, shelf.now(), { id: writer.id, verified: true, vary: names.join() })
  // The same variant could have been stored when another one was first. It would come back when this one goes.
  if (name === main && names.length > 0) await shelf.removeOurs(variantName(main, method, names, vary))
  return true
}

/** The name that an entry gets. */
async function nameFor (shelf: Shelf, { options: { key: { method }, value: { vary }, bytes, name: main } }: DiskWriter): Promise<string> {
  const names = varyNames(vary)
  if (names.length === 0 && shelf.index.peek(main)?.vary === '') return main
  const first = await openEntry(shelf.pathOf(main), { key: bytes })
  if (typeof first === 'string') {
    if (first === 'foreign') throw foreign(shelf.pathOf(main))
    return main
  }
  shut(first.fd)
  const old = first.head.value.vary
  const oldNames = varyNames(old)
  if (oldNames.join() !== names.join()) {
    // What was stored under the old names cannot be found from now on, and must not be when they return.
    if (oldNames.length > 0) {
      for (const name of await shelf.namesOf(main)) if (name !== main) await shelf.removeOurs(name)
    }
    return main
  }
  if (varyMatches(old, vary)) return main
  const name = variantName(main, method, names, vary)
  if (!shelf.index.has(name)) {
    const there = await openEntry(shelf.pathOf(name))
    if (there === 'foreign') throw foreign(shelf.pathOf(name))
    if (typeof there !== 'string') shut(there.fd)
  }
  return name
}

function foreign (path: string): Error {
  return new FST_SCGI_CACHE_STORE(`${path} has the name of an entry, but is another program's file: give the cache a directory of its own`)
}
