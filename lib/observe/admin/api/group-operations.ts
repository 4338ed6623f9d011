import { STEPS } from '../accounts/history.ts'
import { FST_SCGI_ADMIN_INPUT, FST_SCGI_ADMIN_NOT_FOUND } from '../../../errors.ts'
import { lastingName } from '../keep.ts'
import { etagOf, optionsOf, settingsOf, type GroupModel } from './model.ts'
import { NEW_SERVER_OPTIONS } from './schemas.ts'
import { count, missingIn, objectOf, requireMatch, type Answer, type Call, type Operation, type Query } from './route.ts'
import type { UpstreamGroup } from '../../../../types/live.ts'
import type { UpstreamServer } from '../../../../types/upstream.ts'

const HISTORY: Readonly<Record<string, Query>> = {
  history: { type: 'integer', description: 'So many points of the last hour for each server, up to 120. Default 0.' },
}
const SERVER = '/groups/:group/servers/:server'

function groupOf ({ service, params }: Call): UpstreamGroup {
  return service.group(params['group'] ?? '')
}

function serverOf (call: Call): { group: UpstreamGroup, server: UpstreamServer } {
  const group = groupOf(call)
  return { group, server: call.service.server(group, call.params['server'] ?? '') }
}

function historyOf (call: Call): number {
  return count(call, 'history', 0, STEPS)
}

/** @throws FST_SCGI_ADMIN_NOT_FOUND if it has gone meanwhile */
async function modelOf ({ service }: Pick<Call, 'service'>, id: string, history = 0): Promise<{ model: GroupModel, missing: Missing }> {
  const { groups, missing } = await service.overall(history)
  const model = groups.find(group => group.name === id) ?? groups.find(group => group.id === id)
  if (model === undefined) throw new FST_SCGI_ADMIN_NOT_FOUND(`group '${id}'`)
  return { model, missing: missingIn(missing) }
}

type Missing = ReturnType<typeof missingIn>

async function groupAnswer (call: Pick<Call, 'service'>, id: string, history = 0): Promise<Answer> {
  const { model, missing } = await modelOf(call, id, history)
  return { body: { ...model, ...missing }, etag: model.etag }
}

/** @throws FST_SCGI_ADMIN_NOT_FOUND if it has gone meanwhile */
async function serverAnswer (call: Pick<Call, 'service'>, groupId: string, id: string, history = 0): Promise<Answer> {
  const { model, missing } = await modelOf(call, groupId, history)
  const server = model.servers.find(({ name }) => name === id) ?? model.servers.find(each => each.id === id)
  if (server === undefined) throw new FST_SCGI_ADMIN_NOT_FOUND(`server '${id}' in the group ${model.name}`)
  return { body: { ...server, ...missing }, etag: server.etag }
}

export const GROUP_OPERATIONS: readonly Operation[] = [
  {
    method: 'GET',
    path: '/groups',
    summary: 'All groups with their servers',
    query: HISTORY,
    answer: 'Groups',
    async run (call) {
      const { groups, missing } = await call.service.overall(historyOf(call))
      return { body: { groups, ...missingIn(missing) } }
    },
  },
  {
    method: 'GET',
    path: '/groups/:group',
    summary: 'A group with its servers',
    query: HISTORY,
    answer: 'Group',
    etag: true,
    run: call => groupAnswer(call, call.params['group'] ?? '', historyOf(call)),
  },
  {
    method: 'PATCH',
    path: '/groups/:group',
    summary: 'Sets options of a group itself: all of them, or none',
    body: 'GroupChanges',
    answer: 'Group',
    etag: true,
    ifMatch: true,
    async run (call) {
      const group = groupOf(call)
      const changes = objectOf(call)
      if (Object.keys(changes).length === 0) throw new FST_SCGI_ADMIN_INPUT('it changes nothing')
      requireMatch(call, etagOf(group))
      const before = optionsOf(group)
      // What they are, the group finds out.
      Reflect.apply(group.setOptions, group, [changes])
      await call.service.edited(group, { kind: 'options', changes }, call.operator, `edits ${group.name}: ${differences(before, optionsOf(group))}`)
      return groupAnswer(call, group.name)
    },
  },
  {
    method: 'POST',
    path: '/groups/:group/servers',
    summary: 'Adds a server, or those of a name',
    body: 'NewServer',
    answer: 'Servers',
    status: 201,
    async run (call) {
      const group = groupOf(call)
      const options = objectOf(call)
      if (typeof options['address'] !== 'string') throw new FST_SCGI_ADMIN_INPUT("the new server has no 'address'")
      // An operator sets how servers are used; what runs on this machine, and which keys it shows, is the configuration's.
      const foreign = Object.keys(options).find(name => !NEW_SERVER_OPTIONS.has(name))
      if (foreign !== undefined) throw new FST_SCGI_ADMIN_INPUT(`'${foreign}' cannot be set here: there are ${[...NEW_SERVER_OPTIONS].join(', ')}`)
      if (call.ifMatch !== undefined) requireMatch(call, etagOf(group))
      const added: readonly UpstreamServer[] = await Reflect.apply(group.add, group, [options])
      await call.service.edited(group, { kind: 'add', options }, call.operator, `adds ${options['address']} to ${group.name}`)
      const { model, missing } = await modelOf(call, group.name)
      const names = new Set(added.map(({ name }) => name))
      return { body: { servers: model.servers.filter(({ name }) => names.has(name)), ...missing }, etag: model.etag }
    },
  },
  {
    method: 'GET',
    path: SERVER,
    summary: 'A server',
    query: HISTORY,
    answer: 'Server',
    etag: true,
    run: call => serverAnswer(call, call.params['group'] ?? '', call.params['server'] ?? '', historyOf(call)),
  },
  {
    method: 'PATCH',
    path: SERVER,
    summary: 'Sets options of a server: all of them, or none',
    body: 'Changes',
    answer: 'Server',
    etag: true,
    ifMatch: true,
    run: call => edit(call, objectOf(call)),
  },
  {
    method: 'DELETE',
    path: SERVER,
    summary: 'Takes a server off its group; exchanges that run go on',
    answer: 'Group',
    etag: true,
    ifMatch: true,
    async run (call) {
      const { group, server } = serverOf(call)
      requireMatch(call, etagOf(server))
      const lasting = lastingName(group, server.name)
      group.remove(server.name)
      await call.service.edited(group, lasting === undefined ? undefined : { kind: 'remove', server: lasting }, call.operator, `removes ${server.name} from ${group.name}`)
      return groupAnswer(call, group.name)
    },
  },
  ...([
    ['drain', 'Lets a server finish: no new requests but those that are bound to it', { drain: true, down: false }],
    ['disable', 'Sends a server no requests at all', { down: true }],
    ['enable', 'Undoes drain and disable', { drain: false, down: false }],
  ] as const).map(([name, summary, changes]): Operation => ({
    method: 'POST',
    path: `${SERVER}/${name}`,
    summary,
    answer: 'Server',
    etag: true,
    ifMatch: true,
    run: call => edit(call, changes),
  })),
  {
    method: 'POST',
    path: `${SERVER}/reset`,
    summary: 'Counts from zero again',
    answer: 'Server',
    etag: true,
    async run (call) {
      const { group, server } = serverOf(call)
      await call.service.resetServers(group, server, call.operator)
      return serverAnswer(call, group.name, server.name)
    },
  },
  {
    method: 'POST',
    path: '/groups/:group/reset',
    summary: 'Counts from zero again, for all servers of a group',
    answer: 'Group',
    etag: true,
    async run (call) {
      const group = groupOf(call)
      await call.service.resetServers(group, undefined, call.operator)
      return groupAnswer(call, group.name)
    },
  },
]

async function edit (call: Call, changes: Record<string, unknown>): Promise<Answer> {
  const { group, server } = serverOf(call)
  if (Object.keys(changes).length === 0) throw new FST_SCGI_ADMIN_INPUT('it changes nothing')
  requireMatch(call, etagOf(server))
  const before = settingsOf(server)
  Reflect.apply(group.edit, group, [server.name, changes])
  const lasting = lastingName(group, server.name)
  await call.service.edited(group, lasting === undefined ? undefined : { kind: 'edit', server: lasting, changes }, call.operator, `edits ${server.name} of ${group.name}: ${differences(before, settingsOf(server))}`)
  return serverAnswer(call, group.name, server.name)
}

function differences (before: object, after: object): string {
  const was = new Map<string, unknown>(Object.entries(before))
  const changed = Object.entries(after).filter(([name, value]) => textOf(was.get(name)) !== textOf(value))
  return changed.length === 0 ? 'nothing changes' : changed.map(([name, value]) => `${name} ${textOf(was.get(name))} -> ${textOf(value)}`).join(', ')
}

function textOf (value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
