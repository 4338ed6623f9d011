import { after, before } from 'node:test'
import { Applications } from './applications.ts'
import { ModuleDir } from './snippets.ts'

/** What snippets run with. */
export interface SnippetPlaces {
  readonly applications: Applications
  readonly modules: ModuleDir
}

/** The applications and modules of a test file, made before its tests and gone after them. They are there while a test runs. */
export function snippetPlaces (): SnippetPlaces {
  let applications: Applications | undefined
  let modules: ModuleDir | undefined
  before(async () => {
    applications = await Applications.create()
    modules = await ModuleDir.create()
  })
  after(async () => {
    await applications?.[Symbol.asyncDispose]()
    await modules?.[Symbol.asyncDispose]()
  })
  const there = <Place>(place: Place | undefined): Place => {
    if (place === undefined) throw new Error('no test runs')
    return place
  }
  return {
    get applications () {
      return there(applications)
    },
    get modules () {
      return there(modules)
    },
  }
}
