/** The phases that may follow each phase, as a machine itself says by throwing. */
export function followersOf<Phase extends string> (
  phases: readonly Phase[], follow: (from: Phase, to: Phase) => Phase
): Record<string, Phase[]> {
  const mayFollow = (from: Phase, to: Phase): boolean => {
    try {
      return follow(from, to) === to
    } catch {
      return false
    }
  }
  return Object.fromEntries(phases.map(from => [from, phases.filter(to => mayFollow(from, to))]))
}
