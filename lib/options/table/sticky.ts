import { count, flag, lifetime, object, ofRoom, orFalse, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'

const token = ofRoom(['text'])

export const STICKY_COOKIE = {
  name: row(token, { required: true, doc: 'name of the cookie' }),
  secret: row(ofRoom(['text', 'other', 'list']), { otherwise: 'required without `nginxSid`', doc: 'key of the HMAC-SHA256 that identifies a server, at least 16 bytes' }),
  nginxSid: row(flag, { default: false, doc: 'write the same value as nginx: the `route`, or the MD5 of the address' }),
  expires: row({ kinds: [...lifetime.kinds, 'word'], words: ['max'], read: (_option, value) => value }, {
    otherwise: 'until the browser is closed', directives: ['expires='], doc: "how long the client keeps the cookie, at least 1 s; `'max'`: until the end of 2037",
  }),
  domain: row(ofRoom(['text', 'function']), { otherwise: 'none', directives: ['domain='], doc: 'Domain attribute, or a function of the request' }),
  path: row(text(/^[\x20-\x3a\x3c-\x7e]*$/, 'a path without semicolons'), {
    default: '/', directives: ['path='], doc: "Path attribute; `''` for none",
  }),
  httpOnly: row(flag, { default: true, directives: ['httponly'], doc: 'HttpOnly: hide the cookie from scripts' }),
  secure: row(word([true, false, 'auto'], "true, false or 'auto'"), {
    default: false, directives: ['secure'], doc: "Secure: send the cookie over HTTPS only; `'auto'`: if the client uses TLS",
  }),
  sameSite: row({ ...ofRoom(['word', 'function']), words: ['strict', 'lax', 'none'] }, {
    otherwise: 'none', directives: ['samesite='], doc: 'SameSite attribute, or a function of the request',
  }),
} satisfies Rows

export const STICKY_LEARN = {
  create: row(ofRoom(['text', 'function']), { required: true, directives: ['create='], doc: 'session that a reply starts: a function, or the name of a cookie' }),
  lookup: row(ofRoom(['text', 'function']), { required: true, directives: ['lookup='], doc: 'session of a request: a function, or the name of a cookie' }),
  timeout: row(time(1, 'a time of more than 0'), { default: '10m', directives: ['timeout='], doc: 'time after which an unused session is forgotten' }),
  maxEntries: row(count(1), { default: 10_000, directives: ['zone='], doc: 'maximum number of sessions; one more replaces the least recently used' }),
} satisfies Rows

export const STICKY_APACHE = {
  cookie: row(token, { otherwise: 'none', doc: 'cookie with the session id; this or `param` is required' }),
  param: row(token, { otherwise: 'none', doc: 'URL parameter with the session id; it takes precedence over the cookie' }),
  separator: row(orFalse(text(/^.$/s, 'one character, or false')), {
    default: '.', directives: ['Apache: stickysessionsep'], doc: 'character between the session and the route; false: the id is just the route',
  }),
} satisfies Rows

export const STICKY = {
  cookie: row(object(STICKY_COOKIE, `an object with ${Object.keys(STICKY_COOKIE).join(', ')}`), {
    otherwise: 'none', doc: 'a cookie set by the gateway, which identifies the server',
  }),
  route: row(ofRoom(['list']), { otherwise: 'none', doc: 'functions of the request; the first that returns the route of a server counts' }),
  learn: row(object(STICKY_LEARN, `an object with ${Object.keys(STICKY_LEARN).join(', ')}`), {
    otherwise: 'none', doc: "learn sessions from the application's replies",
  }),
  apache: row(object(STICKY_APACHE, `an object with ${Object.keys(STICKY_APACHE).join(', ')}`), {
    otherwise: 'none', doc: 'session ids that end in the route of their server',
  }),
  failover: row(flag, { default: true, directives: ['Apache: nofailover'], doc: 'send a request whose server is out to another one' }),
} satisfies Rows
