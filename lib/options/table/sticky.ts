import { count, flag, lifetime, object, ofRoom, orFalse, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'

const token = ofRoom(['text'])

export const STICKY_COOKIE = {
  name: row(token, { required: true, doc: 'name of the cookie' }),
  secret: row(ofRoom(['text', 'other', 'list']), { otherwise: 'required, unless `nginxSid`', doc: 'key of the HMAC-SHA256 that stands for a server, 16 bytes or more' }),
  nginxSid: row(flag, { default: false, doc: 'write what nginx writes: the `route`, else the MD5 of the address' }),
  expires: row({ kinds: [...lifetime.kinds, 'word'], words: ['max'], read: (_option, value) => value }, {
    otherwise: 'until the browser is closed', directives: ['expires='], doc: "how long the client keeps the cookie, 1 s or more; `'max'`: until the end of 2037",
  }),
  domain: row(ofRoom(['text', 'function']), { otherwise: 'none', directives: ['domain='], doc: 'domain whose hosts get the cookie, or a function of the request' }),
  path: row(text(/^[\x20-\x3a\x3c-\x7e]*$/, 'a path without semicolons'), {
    default: '/', directives: ['path='], doc: "path below which the cookie is sent; `''` for no such attribute",
  }),
  httpOnly: row(flag, { default: true, directives: ['httponly'], doc: 'keep the cookie from scripts' }),
  secure: row(word([true, false, 'auto'], "true, false or 'auto'"), {
    default: false, directives: ['secure'], doc: "send the cookie over HTTPS only; `'auto'`: where the client came over TLS",
  }),
  sameSite: row({ ...ofRoom(['word', 'function']), words: ['strict', 'lax', 'none'] }, {
    otherwise: 'none', directives: ['samesite='], doc: 'which requests from other sites carry the cookie, or a function of the request',
  }),
} satisfies Rows

export const STICKY_LEARN = {
  create: row(ofRoom(['text', 'function']), { required: true, directives: ['create='], doc: 'the session that a reply begins: a function, or the name of a cookie' }),
  lookup: row(ofRoom(['text', 'function']), { required: true, directives: ['lookup='], doc: 'the session that a request belongs to, or the name of the cookie' }),
  timeout: row(time(1, 'a time of more than 0'), { default: '10m', directives: ['timeout='], doc: 'time after which a session that nobody uses is forgotten' }),
  maxEntries: row(count(1), { default: 10_000, directives: ['zone='], doc: 'so many sessions are known; one more takes the place of the one unused for longest' }),
} satisfies Rows

export const STICKY_APACHE = {
  cookie: row(token, { otherwise: 'none', doc: 'cookie with the session id; it or `param` is needed' }),
  param: row(token, { otherwise: 'none', doc: 'parameter of the URL with the session id; it comes before the cookie' }),
  separator: row(orFalse(text(/^.$/s, 'one character, or false')), {
    default: '.', directives: ['Apache: stickysessionsep'], doc: 'one character between the session and the route; false: the id is nothing but the route',
  }),
} satisfies Rows

export const STICKY = {
  cookie: row(object(STICKY_COOKIE, `an object with ${Object.keys(STICKY_COOKIE).join(', ')}`), {
    otherwise: 'none', doc: "a cookie of the gateway's own, which names the client's server",
  }),
  route: row(ofRoom(['list']), { otherwise: 'none', doc: 'functions of the request, of which the first counts that gives the route of a server' }),
  learn: row(object(STICKY_LEARN, `an object with ${Object.keys(STICKY_LEARN).join(', ')}`), {
    otherwise: 'none', doc: "sessions that the gateway learns from the application's replies",
  }),
  apache: row(object(STICKY_APACHE, `an object with ${Object.keys(STICKY_APACHE).join(', ')}`), {
    otherwise: 'none', doc: 'sessions whose ids end in the route of their server',
  }),
  failover: row(flag, { default: true, directives: ['Apache: nofailover'], doc: 'a request whose server is out goes to another one' }),
} satisfies Rows
