// Tokens: names of headers and cookies, methods, media types.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBareToken } from '../../lib/cache/dictionary.ts'
import { isToken } from '../../lib/http/token.ts'
import { TOKEN } from '../../lib/scgi/header-table.ts'

test('a token has the characters of RFC 9110, for the options and for what comes from servers alike', () => {
  const allowed = new Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  for (let code = 0; code < 0x180; code++) {
    const char = String.fromCharCode(code)
    assert.equal(isToken(char), allowed.has(char), JSON.stringify(char))
    assert.equal(isToken(`a${char}b`), allowed.has(char), JSON.stringify(char))
    if (code < 256) assert.equal(TOKEN[code] === 1, allowed.has(char), JSON.stringify(char))
  }
  for (const text of ['', 'a b', 'a\n', '\na']) assert.equal(isToken(text), false, JSON.stringify(text))
})

test('a bare token of a structured field begins with a letter or a star, and may hold colons and slashes', () => {
  for (const text of ['a', '*', 'a:b/c', 'A1', 'a`b']) assert.equal(isBareToken(text), true, text)
  for (const text of ['', '1a', '/a', ':a', 'a b', 'a"', 'a\n']) assert.equal(isBareToken(text), false, JSON.stringify(text))
})
