import type { Phase } from '../../lib/runtime/phases.ts'

/** The phases that may follow each phase, as they themselves say by throwing. */
export function followersOf<Name extends string> (phases: readonly Phase<Name>[]): Record<string, Name[]> {
  const mayFollow = (from: Phase<Name>, to: Phase<Name>): boolean => {
    try {
      return from.to(to) === to
    } catch {
      return false
    }
  }
  return Object.fromEntries(phases.map(from => [from.name, phases.filter(to => mayFollow(from, to)).map(to => to.name)]))
}
