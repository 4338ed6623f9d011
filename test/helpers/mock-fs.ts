import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { mock } from 'node:test'

export interface MockedFs extends Disposable {
  /** How often they were called. */
  readonly calls: number
}

/** Replaces functions of node:fs, for everybody, until it is disposed of. */
export function mockFs (functions: Readonly<Record<string, (...args: never[]) => void>>): MockedFs {
  const mocks = Object.entries(functions).map(([name, replacement]) => {
    if (!isName(name)) throw new Error(`node:fs has no ${name}`)
    return mock.method(fs, name, replacement)
  })
  syncBuiltinESMExports()
  return {
    get calls () {
      return mocks.reduce((sum, { mock: replaced }) => sum + replaced.callCount(), 0)
    },
    [Symbol.dispose] () {
      for (const { mock: replaced } of mocks) replaced.restore()
      syncBuiltinESMExports()
    },
  }
}

const NAMES = ['open', 'unlink', 'mkdir', 'read', 'write', 'writev', 'close', 'writeSync'] as const

function isName (name: string): name is typeof NAMES[number] {
  return NAMES.some(known => known === name)
}

/** An error as the file system gives it. */
export function fsError (code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: mocked`), { code })
}
