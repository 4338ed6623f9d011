import { resolve } from 'node:path'
import { clearDirectories, clearFiles } from '../files/leftovers.ts'
import type { ExchangeOptions } from '../../types/options.ts'

/** Clears what processes that were killed have left where these options have temporary files made. The options are checked already. */
export async function clearLeftovers ({ buffering, requestBuffering, store }: ExchangeOptions): Promise<void> {
  const places = [clearDirectories()]
  const tempPath = typeof buffering === 'object' ? buffering.tempPath : undefined
  if (typeof tempPath === 'string') places.push(clearFiles(tempPath))
  // Unfinished files of a mirror are at the top also where others are in levels.
  else if (tempPath !== undefined) places.push(clearFiles(tempPath.path, tempPath.levels), clearFiles(tempPath.path))
  if (typeof requestBuffering === 'object' && requestBuffering.tempPath !== undefined) places.push(clearFiles(requestBuffering.tempPath))
  if (typeof store === 'object') places.push(clearFiles(resolve(store.root)))
  await Promise.all(places)
}
