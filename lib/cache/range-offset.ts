/** Whether a request's Range begins too far into the body for the whole body to be fetched because of it. (scgi_cache_max_range_offset) */
export function rangeTooFar (range: string | string[] | undefined, maxOffset: number): boolean {
  if (typeof range !== 'string' || maxOffset === Infinity) return false
  if (maxOffset === 0) return true
  // Only the first range counts. One that counts from the end begins where nobody knows yet.
  const match = /^bytes= *(?:(-)|(\d+))/i.exec(range)
  return match !== null && (match[1] !== undefined || Number(match[2]) >= maxOffset)
}
