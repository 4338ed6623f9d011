/** Attributes of a cookie; texts are ready to be written. */
export interface CookieAttributes {
  /** Milliseconds for which the client keeps it, `'max'` until the end of 2037; `undefined` for as long as the browser runs. */
  readonly expires: number | 'max' | undefined
  readonly domain: string | undefined
  readonly path: string | undefined
  readonly httpOnly: boolean
  readonly secure: boolean
  readonly sameSite: string | undefined
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The value of a Set-Cookie header, as nginx writes it. */
export function setCookieLine (name: string, value: string, attributes: CookieAttributes, now: number): string {
  const { expires, domain, path, httpOnly, secure, sameSite } = attributes
  let line = `${name}=${value}`
  if (expires === 'max') line += '; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000'
  else if (expires !== undefined) line += `; expires=${cookieDate(now + expires)}; max-age=${Math.floor(expires / 1000)}`
  if (domain !== undefined) line += `; domain=${domain}`
  if (httpOnly) line += '; httponly'
  if (secure) line += '; secure'
  if (sameSite !== undefined) line += `; samesite=${sameSite}`
  if (path !== undefined) line += `; path=${path}`
  return line
}

/** A date in the form that cookies began with: `Thu, 31-Dec-37 23:55:55 GMT`. From 2038 on the year has all its digits, as of two it would be past. */
export function cookieDate (time: number): string {
  const date = new Date(time)
  const year = date.getUTCFullYear()
  return `${DAYS[date.getUTCDay()] ?? ''}, ${two(date.getUTCDate())}-${MONTHS[date.getUTCMonth()] ?? ''}-${year > 2037 ? year : two(year % 100)} ` +
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} GMT`
}

function two (number: number): string {
  return String(number).padStart(2, '0')
}
