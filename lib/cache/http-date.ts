const MONTHS: Readonly<Record<string, number>> = {
  jan: 0, feb: 1, mar: 2, apr: 3, may: 4, jun: 5, jul: 6, aug: 7, sep: 8, oct: 9, nov: 10, dec: 11,
}
/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const FIXDATE = /^[a-z]{3}, (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/i
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC850 = /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/i
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i

/**
 * Milliseconds since the epoch of an HTTP date in one of its three forms (RFC 9110 section 5.6.7); NaN for anything else. `Date.parse`
 * will not do: it makes a date of `0`.
 */
export function parseHttpDate (text: string): number {
  const date = text.trim()
  let match = FIXDATE.exec(date)
  if (match !== null) return time(match[3], match[2], match[1], match[4], match[5], match[6])
  match = RFC850.exec(date)
  if (match !== null) return time(fullYear(Number(match[3])), match[2], match[1], match[4], match[5], match[6])
  match = ASCTIME.exec(date)
  return match === null ? NaN : time(match[6], match[1], match[2], match[3], match[4], match[5])
}

function time (...parts: (string | number | undefined)[]): number {
  const [year, month, day, hour, minute, second] = parts
  const index = MONTHS[String(month).toLowerCase()]
  if (index === undefined) return NaN
  const values = [year, day, hour, minute, second].map(Number)
  const [y = NaN, d = NaN, h = NaN, m = NaN, s = NaN] = values
  if (h > 23 || m > 59 || s > 60) return NaN
  const ms = Date.UTC(y, index, d, h, m, s)
  // The 31st of a month that has none is no date.
  return new Date(Date.UTC(y, index, d)).getUTCDate() === d ? ms : NaN
}

/** A year of two digits that would be more than 50 years ahead is one of the past century. */
function fullYear (year: number): number {
  const now = new Date().getUTCFullYear()
  const full = Math.floor(now / 100) * 100 + year
  return full > now + 50 ? full - 100 : full
}
