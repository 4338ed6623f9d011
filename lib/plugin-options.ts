import { FST_SCGI_OPT_INVALID } from './errors.ts'
import { compileMount, type Mount } from './exchange/mount.ts'
import { checkInternal } from './filters/internal-files.ts'
import { checkUpstreams } from './group/registry.ts'
import { ServerGroup } from './group/server-group.ts'
import { checkKeys, under } from './options/keys.ts'
import { readMethods } from './options/methods.ts'
import { readKnown } from './options/read.ts'
import { REGISTER, REPLY } from './options/table/plugin.ts'
import { show } from './options/units.ts'
import type { Values } from './options/row.ts'
import type { FastifyScgiOptions, ReplyScgiOptions } from '../types/options.ts'

/** Fastify's own options of `register`, which pass through. */
const FASTIFY = ['logSerializers']

const REGISTER_NAMES = Object.keys(REGISTER)
const REPLY_NAMES = Object.keys(REPLY)

/**
 * Reads what `register` was given: the options, or the upstreams alone.
 * @param what it is called in errors
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function readRegisterOptions (given: unknown, what = 'options'): FastifyScgiOptions {
  if (typeof given === 'string' || Array.isArray(given) || given instanceof ServerGroup) return { upstreams: given }
  checkNames<FastifyScgiOptions>(given, REGISTER_NAMES, what)
  return given
}

const { prefix, rewritePrefix, replyFrom, closeTimeout, bodyLimit, allowAnyUpstream } = REGISTER
/** What is read here and nowhere else. */
const OWN = { prefix, rewritePrefix, replyFrom, closeTimeout, bodyLimit, allowAnyUpstream }
const OWN_OF_REPLY = { rewritePrefix, allowAnyUpstream }

/** The options of `register`, checked and ready for use, less what routes and groups make of theirs. */
export interface RegisterSettings extends Values<typeof OWN> {
  readonly mount: Mount
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED */
export function compileRegister (options: FastifyScgiOptions): RegisterSettings {
  return { ...readKnown(OWN, options, ''), mount: compileMount(options) }
}

/**
 * Checks what `register` would be given, without an application: everything but names of servers, which the DNS knows, and of groups.
 * @param at path of the options in what holds them, such as `mounts[1]`: errors then name `mounts[1].readTimeout`
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function checkRegisterOptions (given: unknown, at = ''): void {
  if (typeof given !== 'object' || given === null) readRegisterOptions(given, at === '' ? 'options' : at)
  under(at, () => {
    const options = readRegisterOptions(given)
    const settings = compileRegister(options)
    checkUpstreams(options.upstreams, settings.allowAnyUpstream, options.resolver)
    checkInternal(options.internal)
    readMethods(options.httpMethods)
  })
}

/** The options of `reply.scgi()`, as those of `register`. */
export interface ReplySettings extends Values<typeof OWN_OF_REPLY> {
  readonly mount: Mount
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED */
export function compileReply (options: ReplyScgiOptions): ReplySettings {
  checkReplyOptions(options)
  return { ...readKnown(OWN_OF_REPLY, options, ''), mount: compileMount(options) }
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function checkReplyOptions (given: ReplyScgiOptions): void {
  checkNames<ReplyScgiOptions>(given, REPLY_NAMES, 'options')
  const { body } = given
  if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body) && typeof body?.pipe !== 'function') {
    throw new FST_SCGI_OPT_INVALID('body', show(body), 'a string, a Buffer or a readable stream')
  }
}

function checkNames<T extends { upstreams: unknown }> (given: unknown, known: readonly string[], what: string): asserts given is T {
  if (typeof given !== 'object' || given === null) {
    throw new FST_SCGI_OPT_INVALID(what, show(given), "an address, a list of servers, or an object with the option 'upstreams'")
  }
  const { ...options } = given
  for (const name of FASTIFY) Reflect.deleteProperty(options, name)
  checkKeys('', options, known)
  if (!('upstreams' in given) || given.upstreams === undefined) {
    throw new FST_SCGI_OPT_INVALID('upstreams', 'missing', "where the requests go, for instance '127.0.0.1:4000'")
  }
}
