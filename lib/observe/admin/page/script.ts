import { compactScript } from './compact.ts'
import { SHARED } from './render.ts'

/** What makes the page live. It uses the API and nothing else; what it shows is made by the same functions as the page. */
export const SCRIPT = compactScript(`'use strict';
(() => {
${SHARED}
const root = document.documentElement
const base = root.dataset.base
let token = root.dataset.token
root.classList.add('js')
const find = (selector, from = document) => from.querySelector(selector)
const note = find('#note')
const live = find('#live')
const panel = find('#panel')
const groups = new Map()
const caches = new Map()
let lists = {}

let hide
const say = (text, bad) => {
  clearTimeout(hide)
  // What went wrong stays until something else happens.
  if (!bad) hide = setTimeout(() => { note.textContent = '' }, 8000)

  note.textContent = text
  note.className = bad ? 'bad' : 'good'
  note.setAttribute('role', bad ? 'alert' : 'status')
}
const call = async (method, path, body, etag, again) => {
  const headers = { accept: 'application/json', 'x-gateway-token': token }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (etag !== undefined) headers['if-match'] = etag
  const response = await fetch(base + '/api' + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  const answer = await response.json()
  if (response.ok) return answer
  // The page has been open for long, or another process answers.
  if (answer.code === 'FST_SCGI_ADMIN_TOKEN' && !again) {
    token = (await call('GET', '/token')).token
    return call(method, path, body, etag, true)
  }
  throw Object.assign(new Error(answer.message), { status: response.status })
}
const attempt = async (what, done, element) => {
  if (element) element.setAttribute('aria-busy', 'true')
  try {
    const answer = await what()
    say(typeof done === 'function' ? done(answer) : done)
    return true
  } catch (error) {
    if (panel.open) tell(error.message)
    else say(error.message, true)
    return false
  } finally {
    if (element) element.removeAttribute('aria-busy')
  }
}

const parse = html => {
  const template = document.createElement('template')
  template.innerHTML = html
  return template.content.firstElementChild
}
const copy = (old, fresh) => {
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== 'aria-busy') old.removeAttribute(name)
}
// Only what differs is touched: focus and selection stay where they are.
const patch = (old, html) => {
  const fresh = parse(html)
  if (old.className !== fresh.className) old.className = fresh.className
  for (const part of fresh.querySelectorAll('[data-k]')) {
    const there = find('[data-k="' + part.dataset.k + '"]', old)
    if (there === null) continue
    copy(there, part)
    if (there.innerHTML !== part.innerHTML) there.innerHTML = part.innerHTML
  }
}
const place = (container, id, items, make) => {
  const rows = new Map([...container.children].map(row => [row.dataset[id], row]))
  let before = null
  for (const [key, item] of items) {
    let row = rows.get(key)
    rows.delete(key)
    const html = make(item, key)
    if (row === undefined) row = parse(html)
    else patch(row, html)
    const next = before === null ? container.firstElementChild : before.nextElementSibling
    if (next !== row) container.insertBefore(row, next)
    before = row
  }
  for (const row of rows.values()) row.remove()
}
const put = (selector, html, from) => {
  const element = find(selector, from)
  if (element === null) return
  const fresh = parse('<div>' + html + '</div>')
  if (element.innerHTML !== fresh.innerHTML) element.innerHTML = fresh.innerHTML
}

const show = () => {
  const now = Date.now()
  const container = find('#groups')
  if (container !== null) {
    const rows = new Map([...container.children].map(section => [section.dataset.group, section]))
    for (const [id, group] of groups) {
      const whole = { ...group, servers: [...group.servers.values()] }
      const section = rows.get(id)
      if (section === undefined) container.append(parse(groupSection(whole, now)))
      else {
        patch(find('header', section), '<header>' + parse(groupSection({ ...whole, servers: [] }, now)).querySelector('header').innerHTML + '</header>')
        place(find('.servers', section), 'server', group.servers, server => serverRow(id, server, now))
        const processes = processesOf(group)
        const body = find('.processes tbody', section)
        if (body === null || processes.size === 0) put('.applications', processTable(group, now), section)
        else place(body, 'process', processes, (each, key) => processRow(key, each, now))
      }
      rows.delete(id)
    }
    for (const section of rows.values()) section.remove()
    put('#summary', summary([...groups.values()].map(group => ({ ...group, servers: [...group.servers.values()] }))))
  }
  const cards = find('#caches')
  if (cards !== null) place(cards, 'cache', caches, cache => cacheCard(base, cache))
  if (lists.failed) put('#failed', requestList(lists.failed, now))
  if (lists.slow) put('#slow', requestList(lists.slow, now))
  if (lists.edits) put('#edits', editList(lists.edits, now))
}
const take = data => {
  for (const group of data.groups || []) {
    const known = groups.get(group.id)
    const servers = known === undefined ? new Map() : known.servers
    for (const server of group.servers) {
      const before = servers.get(server.id)
      servers.set(server.id, server.history || !before ? server : { ...server, history: before.history })
    }
    const order = group.order || group.servers.map(({ id }) => id)
    groups.set(group.id, { ...group, servers: new Map(order.filter(id => servers.has(id)).map(id => [id, servers.get(id)])) })
  }
  for (const cache of data.caches || []) caches.set(cache.id, cache)
  for (const key of data.gone || []) {
    if (key.startsWith('group ')) groups.delete(key.slice(6))
    if (key.startsWith('cache ')) caches.delete(key.slice(6))
  }
  if (data.process) put('#missing', missingText(data.missing))
  const { failed, slow, edits } = data
  lists = { ...lists, ...(failed && { failed }), ...(slow && { slow }), ...(edits && { edits }) }
  show()
}
const listen = () => {
  const source = new EventSource(base + '/api/events')
  source.addEventListener('state', event => {
    groups.clear()
    caches.clear()
    take(JSON.parse(event.data))
    live.textContent = 'live'
    live.className = 'on'
  })
  source.addEventListener('delta', event => take(JSON.parse(event.data)))
  source.addEventListener('error', () => {
    live.textContent = 'connection lost, trying again'
    live.className = 'off'
    // A browser gives up if it gets an error, as from a proxy while the gateway starts anew.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000)
  })
}

// The panel: one form at a time.
const form = find('form', panel)
const tell = text => { find('.problem', panel).textContent = text }
const input = (name, label, value, kind) => {
  const id = 'f-' + name
  if (kind === 'flag') return '<label class="flag"><input type="checkbox" name="' + name + '"' + (value ? ' checked' : '') + '> ' + label + '</label>'
  if (Array.isArray(kind)) {
    return '<label for="' + id + '">' + label + '</label><select id="' + id + '" name="' + name + '">' +
      kind.map(option => '<option' + (option === value ? ' selected' : '') + '>' + option + '</option>').join('') + '</select>'
  }
  return '<label for="' + id + '">' + label + '</label><input id="' + id + '" name="' + name + '" value="' + escapeHtml(String(value ?? '')) + '"' +
    (kind === 'number' ? ' inputmode="numeric"' : '') + ' autocomplete="off" spellcheck="false">'
}
let submit = async () => {}
const open = (title, fields, action, run, more) => {
  find('h2', panel).textContent = title
  find('.fields', panel).innerHTML = fields
  find('.more', panel).innerHTML = more || ''
  find('[type=submit]', panel).textContent = action
  tell('')
  submit = run
  panel.showModal()
  const first = find('.fields input, .fields select', panel)
  if (first !== null) first.focus()
}
form.addEventListener('submit', async event => {
  event.preventDefault()
  if (await submit(new FormData(form))) panel.close()
})
find('.cancel', panel).addEventListener('click', () => panel.close())

const TIMES = ['failTimeout', 'slowStart', 'retry']
const FIELDS = [
  ['weight', 'Weight', 'number'], ['maxConns', 'Most connections (0: any)', 'number'], ['maxFails', 'Failures that take it out (0: none)', 'number'],
  ['failTimeout', 'Out for, such as 10s', 'time'], ['slowStart', 'Slow start, such as 30s', 'time'], ['retry', 'Retry after', 'time'],
  ['lbset', 'Set', 'number'], ['keepalive', 'Idle connections kept', 'number'], ['preconnect', 'Connections opened ahead', 'number'],
  ['route', 'Route', 'text'], ['redirect', 'Redirect to route', 'text'],
  ['backup', 'Backup', 'flag'], ['spare', 'Spare', 'flag'], ['standby', 'Standby', 'flag'],
]
const timeText = ms => ms % 1000 === 0 ? ms / 1000 + 's' : ms + 'ms'
const fieldsOf = settings => FIELDS.map(([name, label, kind]) => {
  const value = settings[name]
  return input(name, label, kind === 'time' && typeof value === 'number' ? timeText(value) : value, kind)
}).join('')
const changesOf = (data, settings) => {
  const changes = {}
  for (const [name, , kind] of FIELDS) {
    const text = String(data.get(name) ?? '').trim()
    let value = text
    if (kind === 'flag') value = data.has(name)
    else if (kind === 'number') value = /^\\d+$/.test(text) ? Number(text) : text
    else if (text === '' && (kind === 'text' || name === 'retry')) value = null
    const before = settings[name]
    const same = TIMES.includes(name) && typeof before === 'number' ? value === timeText(before) : value === (before ?? null)
    if (!same) changes[name] = value
  }
  return changes
}
const pathOf = (group, server) => '/groups/' + encodeURIComponent(group) + (server === undefined ? '' : '/servers/' + encodeURIComponent(server))

const meanwhile = (path, form) => async error => {
  if (error.status !== 412) throw error
  find('.fields', panel).innerHTML = form(await call('GET', path))
  throw new Error('Somebody has edited it meanwhile. The form shows what holds now.')
}
// What the page shows may be a second old, and an edit of that would be refused.
const latest = (path, known) => call('GET', path).catch(() => known)
const editServer = async (group, server) => {
  const path = pathOf(group.id, server.id)
  let now = await latest(path, server)
  const conflict = meanwhile(path, answer => fieldsOf((now = answer).settings))
  open('Options of ' + server.name, fieldsOf(now.settings), 'Save', data => {
    const changes = changesOf(data, now.settings)
    return Object.keys(changes).length === 0 || attempt(() => call('PATCH', path, changes, now.etag).catch(conflict), server.name + ' is edited')
  }, '<button type="button" data-more="reset">Reset counters</button><button type="button" class="danger" data-more="remove">Remove server</button>')
  let sure = false
  find('.more', panel).onclick = async event => {
    const button = event.target.closest('button')
    if (button === null) return
    if (button.dataset.more === 'reset') {
      if (await attempt(() => call('POST', path + '/reset'), 'The counters of ' + server.name + ' are zero')) panel.close()
    } else if (!sure) {
      sure = true
      button.textContent = 'Really remove it?'
    } else if (await attempt(() => call('DELETE', path, undefined, now.etag).catch(conflict), server.name + ' is removed')) panel.close()
  }
}
const METHODS = ['round_robin', 'least_conn', 'least_time', 'ip_hash', 'random', 'random two', 'bytraffic', 'bybusyness']
const METHOD_OPTIONS = { least_time: { leastTime: 'header' }, 'least_time, last byte': { leastTime: 'lastByte' }, 'random two': { random: 'two' } }
const methodOf = ({ balance, options }) => Object.keys(METHOD_OPTIONS).find(name => JSON.stringify(METHOD_OPTIONS[name]) === JSON.stringify(options.balance)) || balance
const partOf = (options, path) => path.split('.').reduce((value, name) => value == null ? value : value[name], options)
const groupFields = ({ options: { sticky, health } }) => [
  ['queue.size', 'Requests that may wait (empty: none)'], ['queue.timeout', 'Wait for, such as 10s'], ['tries', 'Most attempts (0: any)'],
  ['failOnStatus', 'Statuses that are failures'], ['forceRecovery', 'If all servers are out, use them all again', 'flag'],
  ...(sticky && sticky.cookie
    ? [['sticky.cookie.name', 'Session cookie']]
    : sticky && !sticky.apache ? [] : [['sticky.apache.cookie', 'Session cookie'], ['sticky.apache.param', 'Session parameter']]),
  ...(sticky ? [['sticky.failover', 'Sessions move if their server is out', 'flag']] : []),
  ...(Array.isArray(health)
    ? []
    : [
        ['health.type', 'Health check', ['', 'connect', 'scgi', 'http']], ['health.method', 'Method of the check'], ['health.path', 'Path of the check'],
        ['health.interval', 'Checked every, such as 5s'], ['health.passes', 'Passes that bring it back'], ['health.fails', 'Fails that take it out'],
        ['health.expect.status', 'Status that passes'], ['health.expect.body', 'Body contains'],
      ]),
]
const textIn = (options, path, kind) => {
  const value = partOf(options, path)
  if (kind === 'flag') return path === 'sticky.failover' ? value !== false : value === true
  return value == null ? path === 'health.type' && options.health ? 'connect' : '' : Array.isArray(value) ? value.join(', ') : String(value)
}
const groupForm = group => input('balance', 'How the servers take turns', methodOf(group), [...new Set([methodOf(group), ...METHODS, ...Object.keys(METHOD_OPTIONS)])]) +
  groupFields(group).map(([path, label, kind]) => input(path, label, textIn(group.options, path, kind), kind)).join('')
const groupChanges = (data, group) => {
  const changes = {}
  const method = data.get('balance')
  if (method !== methodOf(group)) changes.balance = METHOD_OPTIONS[method] || method
  for (const [path, , kind] of groupFields(group)) {
    const text = String(data.get(path) ?? '').trim()
    const value = kind === 'flag' ? data.has(path) : text
    if (value === textIn(group.options, path, kind)) continue
    const names = path.split('.')
    const last = names.pop()
    const owner = names.reduce((part, name) => part[name] ??= {}, changes)
    const one = part => /^\\d+$/.test(part) ? Number(part) : part
    owner[last] = kind === 'flag' ? value : text === '' ? null : path === 'failOnStatus' || text.includes(',') && last === 'status' ? text.split(/[\\s,]+/).map(one) : one(text)
  }
  const whole = { queue: ['queue.size'], sticky: ['sticky.cookie.name', 'sticky.apache.cookie', 'sticky.apache.param'], health: ['health.type'] }
  for (const name in whole) {
    if (changes[name] && whole[name].some(path => data.has(path)) && whole[name].every(path => !String(data.get(path) ?? '').trim())) {
      if (group.options[name]) changes[name] = null
    }
  }
  return changes
}
const editGroup = async group => {
  const path = pathOf(group.id)
  let now = await latest(path, group)
  const conflict = meanwhile(path, answer => groupForm(now = answer))
  open('Options of ' + group.name, groupForm(now), 'Save', data => {
    const changes = groupChanges(data, now)
    return Object.keys(changes).length === 0 || attempt(() => call('PATCH', path, changes, now.etag).catch(conflict), group.name + ' is edited')
  })
}
const addServer = group => open('Add a server to ' + group.name,
  input('address', 'Address, such as 10.0.0.3:4000 or unix:/run/app.sock', '') + input('weight', 'Weight', 1, 'number') + input('backup', 'Backup', false, 'flag'), 'Add', data => {
    const weight = String(data.get('weight')).trim()
    const options = { address: String(data.get('address')).trim(), weight: /^\\d+$/.test(weight) ? Number(weight) : weight, backup: data.has('backup') }
    return attempt(() => call('POST', pathOf(group.id) + '/servers', options), options.address + ' is added')
  })
const purgeCache = id => open('Purge ' + id,
  input('kind', 'Entries by', 'key', ['key', 'glob', 'tag']) + input('text', 'Key, glob such as http://a.example/shop/*, or tag', '') + input('soft', 'Let them expire instead (they can be served stale)', false, 'flag'), 'Purge', data =>
    attempt(() => call('POST', '/caches/' + encodeURIComponent(id) + '/purge', { [data.get('kind')]: data.get('text'), soft: data.has('soft') }), answer => answer.purged + ' entries purged'))

const DONE = { drain: 'drains: no new requests', disable: 'is disabled', enable: 'serves again' }
document.addEventListener('click', event => {
  const button = event.target.closest('[data-do]')
  if (button === null) return
  const act = button.dataset.do
  const group = groups.get(button.closest('[data-group]')?.dataset.group)
  const server = group?.servers.get(button.closest('[data-server]')?.dataset.server)
  const cache = button.closest('[data-cache]')?.dataset.cache
  if (server !== undefined && act === 'edit') editServer(group, server)
  else if (server !== undefined) attempt(() => call('POST', pathOf(group.id, server.id) + '/' + act, undefined, server.etag), server.name + ' ' + DONE[act], button)
  else if (group !== undefined && act === 'method') editGroup(group)
  else if (group !== undefined && act === 'add') addServer(group)
  else if (group !== undefined) attempt(() => call('POST', pathOf(group.id) + '/reset'), 'The counters of ' + group.name + ' are zero', button)
  else if (act === 'purge-key') {
    const row = button.closest('[data-key]')
    attempt(() => call('POST', '/caches/' + encodeURIComponent(cache) + '/purge', { key: row.dataset.key }), ({ purged }) => {
      row.remove()
      return purged + (purged === 1 ? ' entry purged' : ' entries purged')
    }, button)
  } else if (act === 'purge') purgeCache(cache)
  else if (act === 'forget') attempt(() => call('POST', '/requests/reset'), 'The lists are empty', button)
  else if (cache !== undefined) attempt(() => call('POST', '/caches/' + encodeURIComponent(cache) + '/reset'), 'The counters of ' + cache + ' are zero', button)
})
if (find('#groups') !== null) {
  listen()
  setInterval(() => { if (groups.size + caches.size > 0) show() }, 5000)
}
})()
`)
