import { splitPath } from '../upstream/path.ts'
import type { MountPoint } from './view.ts'

const DOT_SEGMENT = /\/(?:\.|%2e)/i
const ESCAPED_DOT = /%2e/gi

/**
 * The target with its dot segments resolved, all else as it was; `undefined` where there are none, or where they leave the mount.
 *
 * The router knows no dot segments: `/app/x/../admin` comes to the mount `/app` also where a route `/app/admin` guards that path.
 */
export function resolveTarget (target: string, mount: MountPoint): string | undefined {
  if (!DOT_SEGMENT.test(target)) return undefined
  if ('error' in splitPath(target, mount.segments, mount)) return undefined
  const authority = /^https?:\/\/[^/?#]+/i.exec(target)?.[0].length ?? 0
  const end = target.slice(authority).search(/[?#]/)
  const path = target.slice(authority, end === -1 ? undefined : authority + end)
  const kept: string[] = []
  let directory = false
  for (const segment of path.split('/').slice(1)) {
    const plain = segment.replace(ESCAPED_DOT, '.')
    directory = plain === '.' || plain === '..'
    if (plain === '..') kept.pop()
    else if (plain !== '.') kept.push(segment)
  }
  if (directory) kept.push('')
  const resolved = `/${kept.join('/')}`
  // A name that only begins with a dot is no dot segment.
  return resolved === path ? undefined : resolved + (end === -1 ? '' : target.slice(authority + end))
}
