// 'Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'. A zone is not looked at: it is GMT, whatever it says.
const FIXDATE = /^[a-z]+, (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d)(?: |$)/i
const RFC850 = /^[a-z]+, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d)(?: |$)/i
const ASCTIME = /^[a-z]+ ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/**
 * Seconds since the epoch of an HTTP date in any of its three forms (RFC 9110 section 5.6.7); `undefined` for anything else. A year of
 * two digits is one of 1970 to 2069.
 */
export function parseHttpDate (text: string): number | undefined {
  const fixdate = FIXDATE.exec(text)
  if (fixdate !== null) return seconds(fixdate[3], fixdate[2], fixdate[1], fixdate[4], fixdate[5], fixdate[6])
  const rfc850 = RFC850.exec(text)
  if (rfc850 !== null) {
    const year = Number(rfc850[3])
    return seconds(year < 70 ? year + 2000 : year + 1900, rfc850[2], rfc850[1], rfc850[4], rfc850[5], rfc850[6])
  }
  const asctime = ASCTIME.exec(text)
  if (asctime !== null) return seconds(asctime[6], asctime[1], asctime[2], asctime[3], asctime[4], asctime[5])
  return undefined
}

let second = NaN
let secondText = ''

/** The date as HTTP writes it. A reply in a second mostly follows another. */
export function httpDate (now: number): string {
  const own = Math.floor(now / 1000)
  if (own !== second) {
    secondText = new Date(now).toUTCString()
    second = own
  }
  return secondText
}

type Field = string | number | undefined

function seconds (year: Field, monthName: Field, day: Field, hour: Field, minute: Field, second: Field): number | undefined {
  const month = MONTHS.indexOf(String(monthName).toLowerCase())
  if (month === -1 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const date = new Date(0)
  // Not Date.UTC(), which takes the year 50 for 1950.
  date.setUTCFullYear(Number(year), month, Number(day))
  // 31 February is no date, and not 2 or 3 March either.
  if (date.getUTCMonth() !== month || date.getUTCDate() !== Number(day)) return undefined
  return date.getTime() / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second)
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const LONG_DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const EXACT_FIXDATE = /^(\w{3}), \d\d (\w{3}) \d{4} \d\d:\d\d:\d\d gmt$/
const EXACT_RFC850 = /^(\w{6,9}), \d\d-(\w{3})-\d\d \d\d:\d\d:\d\d gmt$/
const EXACT_ASCTIME = /^(\w{3}) (\w{3}) (?:\d\d| \d) \d\d:\d\d:\d\d \d{4}$/

/**
 * As `parseHttpDate`, but takes only what the grammar of RFC 9110 section 5.6.7 has, in any case (RFC 9111 section 4.2): a day of the week, one
 * blank, two digits, `GMT`. A leap second is the second before it.
 */
export function parseExactHttpDate (text: string): number | undefined {
  const lower = text.toLowerCase()
  const match = EXACT_FIXDATE.exec(lower) ?? EXACT_ASCTIME.exec(lower) ?? EXACT_RFC850.exec(lower)
  if (match === null) return undefined
  const [, day = '', month = ''] = match
  if (!(day.length === 3 ? DAYS : LONG_DAYS).includes(day) || !MONTHS.includes(month)) return undefined
  return parseHttpDate(lower.replace(/:60(?= )/, ':59'))
}
