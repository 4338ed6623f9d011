import { get, NOT_CONCERNED, own, reply } from './row.ts'
import type { Row } from './row.ts'

/** What is asked below the mount, and PATH_INFO; an error's status where there is none. */
const PATHS: [asked: string, pathInfo: string | number][] = [
  ['/~%7E%2d%5F', '/~~-_'], ['/%41%4a%4A', '/AJJ'], ['/a+b%2Bc', '/a+b+c'], ['/a&b=c@d:e!f', '/a&b=c@d:e!f'], ['/%22%3C%3E%7B%7D%5E%60', '/"<>{}^`'], ['/a"b', '/a"b'],
  ['/a%20b', '/a b'], ['/a%09b', '/a\tb'], ['/%7F', '/\x7f'], ['/a%3Fb?c', '/a?b'], ['/a%23b', '/a#b'], ['/a#b', '/a'],
  // Slashes.
  ['//a', '/a'], ['///a///b//', '/a/b/'], ['/a%2Fb', '/a/b'], ['/a%2fb', '/a/b'], ['/%2F%2Fa', '/a'], ['/a%2F/%2Fb', '/a/b'], ['/a%2F', '/a/'],
  // Once is enough.
  ['/a%25b', '/a%b'], ['/a%2541', '/a%41'], ['/a%252Fb', '/a%2Fb'], ['/a%25252Fb', '/a%252Fb'], ['/%252e%252e/x', '/%2e%2e/x'], ['/a%255Cb', '/a%5Cb'],
  // Dot segments.
  ['/./a', '/a'], ['/a/.', '/a/'], ['/a/./', '/a/'], ['/a/b/..', '/a/'], ['/a/b/../', '/a/'], ['/a/../b', '/b'], ['/a/b/../../c', '/c'], ['/a//../b', '/b'],
  ['/%2e/a', '/a'], ['/a/%2e%2E/b', '/b'], ['/a/.%2e/b', '/b'], ['/a%2F..%2Fb', '/b'], ['/a/..%2fb', '/b'], ['/a%2f%2F../b', '/b'],
  ['/...', '/...'], ['/..a/b..', '/..a/b..'], ['/.a', '/.a'], ['/a./b', '/a./b'], ['/a;/../b', '/b'],
  // Bytes that are no UTF-8, and some that are.
  ['/caf%E9', '/caf\xe9'], ['/caf%C3%A9', '/caf\xc3\xa9'], ['/%C3%A9%E9', '/\xc3\xa9\xe9'], ['/%FF%FE/%80', '/\xff\xfe/\x80'], ['/%C0%AF/..%C0%AFa', '/\xc0\xaf/..\xc0\xafa'],
  ['/%C0%AE%C0%AE/a', '/\xc0\xae\xc0\xae/a'], ['/%ED%B2%80', '/\xed\xb2\x80'], ['/%EF%BF%BD', '/\xef\xbf\xbd'], ['/a%E9/../%E8', '/\xe8'],
  // Semicolons and backslashes are names.
  ['/a;b', '/a;b'], ['/a%3Bb', '/a;b'], ['/;/a', '/;/a'], ['/a\\b', '/a\\b'], ['/a%5Cb', '/a\\b'], ['/a\\..\\b', '/a\\..\\b'], ['/..%5Ca', '/..\\a'],
  // No paths.
  ['/a%', 400], ['/a%4', 400], ['/a%zz', 400], ['/%%41', 400], ['/%00', 400], ['/a/%2500', '/a/%00'], ['/../../a', 400],
]

/** Spellings of `/app/a` that Fastify's router takes for no path below `/app`. */
const ABOVE = ['/app%2Fa', '//app/a', '/./app/a', '/x/../app/a', '/%2Fapp/a']

/** One path for all its spellings: PATH_INFO and DOCUMENT_URI are made of nginx's `$uri`. */
export const pathRows: Row[] = [...PATHS.map(([asked, pathInfo]): Row => ({
  name: asked,
  request: get(`/app${asked}`),
  answer: reply(['Status: 200 OK']),
  expect: typeof pathInfo === 'number'
    ? own(pathInfo, { attempts: 0 })
    : { params: { REQUEST_URI: `/app${asked}`, SCRIPT_NAME: '/app', PATH_INFO: pathInfo, DOCUMENT_URI: `/app${pathInfo}` } },
  // It leaves PATH_INFO encoded, as the rows of requests say.
  apache: NOT_CONCERNED,
})), ...ABOVE.map((asked): Row => ({
  name: asked,
  request: get(asked),
  answer: reply(['Status: 200 OK']),
  expect: own(404, { attempts: 0 }),
  nginx: {
    why: 'the router has to find the mount before the path is read',
    status: 200,
    reason: 'OK',
    body: '',
    attempts: 1,
    params: { REQUEST_URI: asked, SCRIPT_NAME: '/app', PATH_INFO: '/a', DOCUMENT_URI: '/app/a' },
  },
  apache: NOT_CONCERNED,
}))]
