import { FST_SCGI_CACHE_STORE } from '../../../errors.ts'
import { varyMatches, varyNames } from '../vary.ts'
import { openEntry } from './entry.ts'
import { shut } from './files.ts'
import { secondName, variantName } from './names.ts'
import type { EntryFiles } from './entry-files.ts'
import type { DiskWriter } from './writer.ts'

/**
 * Makes an entry of what a writer has got. False if it is not wanted any more.
 *
 * A key's first entry has the key's name, and says in which headers others may differ; those that do have names made of these headers.
 * Where an entry of another zone has the key's name, all these names have the zone in them.
 */
export async function commit (entryFiles: EntryFiles, writer: DiskWriter): Promise<boolean> {
  if (writer.destroyed) return false
  const { main, name, leftover } = await nameFor(entryFiles, writer)
  const temp = await writer.complete()
  if (writer.destroyed) return false
  // It would be found again when the one that replaces it goes: it goes first, whatever happens to the process.
  if (leftover !== undefined && await entryFiles.removeOurs(leftover)) await removeVariants(entryFiles, leftover)
  await entryFiles.place(temp, name)
  writer.placed()
  const { key: { method, origin }, value: { vary } } = writer.options
  const names = varyNames(vary)
  entryFiles.index.add(name, writer.size, entryFiles.now(), { id: writer.id, verified: true, vary: names.join(), origin })
  // The same variant could have been stored when another one was first. It would come back when this one goes.
  if (name === main && names.length > 0) await entryFiles.removeOurs(variantName(main, method, names, vary))
  return true
}

/** Where an entry goes. */
interface Place {
  /** The name of the key's first entry, and of this one. */
  readonly main: string
  readonly name: string
  /** The other name that the first entry may have had. */
  readonly leftover?: string
}

async function nameFor (entryFiles: EntryFiles, { options }: DiskWriter): Promise<Place> {
  const { key: { method, origin }, value: { vary }, bytes, name: own } = options
  const names = varyNames(vary)
  const known = names.length === 0 ? entryFiles.index.peek(own) : undefined
  if (known?.vary === '' && known.origin === origin) return { main: own, name: own }
  let main = own
  const path = entryFiles.pathOf(main)
  let first = entryFiles.isMissing(path) ? 'gone' : await openEntry(path, { key: bytes })
  if (first === 'gone' || first === 'bad') return { main, name: main, leftover: secondName(bytes, method) }
  if (first === 'other') {
    main = secondName(bytes, method)
    first = await openEntry(entryFiles.pathOf(main), { key: bytes })
  }
  if (first === 'foreign') throw foreign(entryFiles.pathOf(main))
  if (typeof first === 'string') return { main, name: main }
  shut(first.fd)
  const old = first.head.value.vary
  const oldNames = varyNames(old)
  if (oldNames.join() !== names.join()) {
    // What was stored under the old names cannot be found from now on, and must not be when they return.
    if (oldNames.length > 0) await removeVariants(entryFiles, main)
    return { main, name: main }
  }
  if (varyMatches(old, vary)) return { main, name: main }
  const name = variantName(main, method, names, vary)
  if (!entryFiles.index.has(name)) {
    const there = await openEntry(entryFiles.pathOf(name))
    if (there === 'foreign') throw foreign(entryFiles.pathOf(name))
    if (typeof there !== 'string') shut(there.fd)
  }
  return { main, name }
}

async function removeVariants (entryFiles: EntryFiles, main: string): Promise<void> {
  for (const name of await entryFiles.namesOf({ main })) if (name !== main) await entryFiles.removeOurs(name)
}

function foreign (path: string): Error {
  return new FST_SCGI_CACHE_STORE(`${path} has the name of an entry, but is another program's file: give the cache a directory of its own`)
}
