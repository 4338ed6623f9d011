import type { WorkerName } from '../../../workers/siblings.ts'
import type { CacheModel, GroupModel, HistoryModel, RequestModel, SeenEdit, ServerModel } from '../api/model.ts'

// What page and script both show, so that nothing looks otherwise when it is updated. The script gets the text of these functions: each is
// on its own but for the others of this file, and has no named function within.

export function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
}

/** What somebody else has named or said, to be read: not without end, and nothing in it turns the text around that follows. */
export function shown (said: string): string {
  const part = said.length > 300 ? `${said.slice(0, 299)}…` : said
  return escapeHtml(part.replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, char => ` [U+${char.charCodeAt(0).toString(16).padStart(4, '0')}] `))
}

export function number (value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1 })
}

function duration (ms: number | null): string {
  if (ms === null) return '–'
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${number(ms / 1000)} s`
}

export function size (bytes: number | null): string {
  if (bytes === null) return '–'
  if (bytes < 1024) return `${bytes} B`
  return bytes < 1_048_576 ? `${number(bytes / 1024)} kB` : bytes < 1_073_741_824 ? `${number(bytes / 1_048_576)} MB` : `${number(bytes / 1_073_741_824)} GB`
}

export function span (seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`
}

function since (moment: string, now: number): string {
  return span((now - Date.parse(moment)) / 1000)
}

export function percent (share: number): string {
  return `${Number((share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0))} %`
}

/** A line for one row of numbers, and bars for another, over the last hour. */
function graph (label: string, line: readonly (number | null)[], bars: readonly number[]): string {
  const top = line.reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
  const heights = line.map(value => value === null ? null : top === 0 ? 23 : Math.round(23 - value / top * 21))
  let path = ''
  for (let index = 0; index < heights.length; index++) {
    const height = heights[index] ?? null
    if (height === null) continue
    const before = heights[index - 1] ?? null
    if (before === null) path += `M${index} ${height}`
    else if (before !== height) path += `l1 ${height - before}`
    // What is level is drawn in one go: a phone has to load all this.
    const from = index
    while (heights[index + 1] === height) index++
    if (index > from) path += `h${index - from}`
    // A point of its own is a line of no length, which has round ends.
    if ((heights[index + 1] ?? null) === null) path += 'h.01'
  }
  const most = bars.reduce((largest, value) => Math.max(largest, value), 0)
  const bad = bars.map((value, index) => value === 0 ? '' : `M${index} 24v-${Math.max(4, Math.round(value / most * 20))}`).join('')
  return `<svg viewBox="0 0 ${line.length - 1} 25" preserveAspectRatio="none" role="img" aria-label="${shown(label)}">` +
    `${bad === '' ? '' : `<path class="bad" d="${bad}"/>`}<path d="${path}"/></svg>`
}

function stateText ({ state }: Pick<ServerModel, 'state'>): string {
  return state === 'down' ? 'disabled' : state
}

/** Everybody should look at it. */
function isSick ({ state }: Pick<ServerModel, 'state'>): boolean {
  return state === 'failed' || state === 'unhealthy' || state === 'ejected'
}

function tagsOf ({ settings }: ServerModel): string {
  const { weight, backup, spare, standby, lbset, route, redirect } = settings
  const tags = []
  if (weight !== 1) tags.push(`weight ${weight}`)
  if (backup) tags.push('backup')
  if (spare) tags.push('spare')
  if (standby) tags.push('standby')
  if (lbset !== 0) tags.push(`set ${lbset}`)
  if (route !== null) tags.push(`route ${route}`)
  if (redirect !== null) tags.push(`redirect ${redirect}`)
  return shown(tags.join(' · '))
}

/** Why a server is as it is, and what went wrong last. */
function wordsOf ({ reason, lastFailure, check, differs = [] }: ServerModel, now: number): string {
  const words = []
  if (reason !== null) words.push(`<b>${shown(reason)}</b>`)
  if (lastFailure !== null && lastFailure.message !== reason) words.push(`Last failure ${since(lastFailure.at, now)} ago: ${shown(lastFailure.message)}`)
  if (check !== null) words.push(`Check ${since(check.at, now)} ago: ${check.passed ? 'passed' : shown(check.reason ?? 'failed')}`)
  for (const { worker, state, reason: why, settings } of differs) {
    words.push(`<b>Worker ${worker}: ${stateText({ state })}${settings === null ? '' : ', other options'}</b>${why === null ? '' : ` ${shown(why)}`}`)
  }
  return words.join('<br>')
}

/** An id has no blanks, which names may have. */
function elementId (kind: string, ...names: string[]): string {
  return escapeHtml([kind, ...names].join(' ').replace(/\s/g, '_'))
}

function button (key: string, action: string, label: string, about: string): string {
  return `<button class="act" data-k="${key}" data-do="${action}" aria-label="${label} ${shown(about)}">${label}</button>`
}

function serverRow (group: string, server: ServerModel, now: number): string {
  const { id, name, state, settings, active, share, rate, served, failures, p50, p99, history } = server
  const { requests = [], failures: failed = [], p99: slowest = [] }: Partial<HistoryModel> = history ?? {}
  const out = state === 'draining' || state === 'down'
  return `<div class="server ${isSick(server) ? 'sick' : state}" role="row" id="${elementId('s', group, id)}" data-server="${escapeHtml(id)}">
<div role="rowheader" class="name"><strong>${shown(name)}</strong><small data-k="tags">${tagsOf(server)}</small></div>
<div role="cell" class="state" data-k="state"><b class="badge">${stateText(server)}</b> <small>for ${since(server.since, now)}</small></div>
<div role="cell" data-k="load"><i>Load</i><b>${percent(share)}</b> <small>${number(active)} running${settings.maxConns === 0 ? '' : ` of ${number(settings.maxConns)}`}</small></div>
<div role="cell" data-k="rate"><i>Requests</i><b>${number(rate)}/s</b> <small>${number(served)} served</small>${graph('Requests in the last hour', requests, [])}</div>
<div role="cell" data-k="time"><i>Latency</i><b>${duration(p50)}</b> <small>p99 ${duration(p99)}</small>${graph('Latency in the last hour, 99th percentile', slowest, [])}</div>
<div role="cell" data-k="failures"><i>Failures</i><b>${number(failures)}</b> <small>${failures + served === 0 ? 'no attempts' : percent(failures / (failures + served))}</small>${graph('Failures in the last hour', failed.map(() => null), failed)}</div>
<div role="cell" class="actions">${out ? button('one', 'enable', 'Enable', name) : button('one', 'drain', 'Drain', name)}${state === 'down' ? button('two', 'drain', 'Drain', name) : button('two', 'disable', 'Disable', name)}<button class="act" data-do="edit" aria-haspopup="dialog" aria-label="Options of ${shown(name)}">Options</button></div>
<p role="cell" class="words" data-k="words">${wordsOf(server, now)}</p>
</div>`
}

function groupFacts ({ active, rate, queue, sessions, processes, names }: GroupModel, now: number): string {
  const facts = [`${number(rate)} requests a second`, `${number(active)} running`]
  if (queue !== null) facts.push(`${number(queue.waiting)} of ${number(queue.size)} waiting`)
  if (sessions !== null) facts.push(`${number(sessions)} sessions`)
  if (processes !== null) facts.push(processes.connected ? `shared by ${processes.count} processes` : '<b>not connected with the processes that share it</b>')
  for (const { address, servers, asksAgain, failure } of names) {
    facts.push(`${shown(address)} is ${servers.length === 0 ? 'no server' : shown(servers.join(', '))}` +
      `${asksAgain === null ? '' : `, asked again in ${span((Date.parse(asksAgain) - now) / 1000)}`}${failure === null ? '' : ` (<b>${shown(failure)}</b>)`}`)
  }
  return facts.map(fact => `<li>${fact}</li>`).join('')
}

type ProcessRow = GroupModel['applications'][number]['processes'][number] & { readonly application: string }

/** The processes that the gateway has started, by their place in the table. */
function processesOf ({ applications }: GroupModel): Map<string, ProcessRow> {
  const all = applications.flatMap(({ name, processes }) => processes.map(each => ({ application: name, ...each })))
  return new Map(all.map((each, index) => [String(index), each]))
}

function processRow (key: string, { application, pid, state, since: from, restarts, reason, lastLine }: ProcessRow, now: number): string {
  return `<tr data-process="${key}" class="${state === 'waiting' ? 'sick' : ''}"><th scope="row" data-k="application">${shown(application)}</th><td class="num" data-k="pid">${pid ?? '–'}</td><td class="num" data-k="stands"><b class="badge">${state}</b> <small>for ${since(from, now)}</small></td><td class="num" data-k="restarts">${number(restarts)}</td><td class="says"><div tabindex="0" data-k="says">${reason === null ? '' : `<b>${shown(reason)}</b> `}${lastLine === null || reason?.endsWith(lastLine) === true ? '' : `<code>${shown(lastLine)}</code>`}</div></td></tr>`
}

/** Nothing where there are none. */
function processTable (group: GroupModel, now: number): string {
  const rows = [...processesOf(group)].map(([key, each]) => processRow(key, each, now))
  return rows.length === 0 ? '' : `<table class="processes"><caption>Processes of ${shown(group.name)}</caption><thead><tr><th scope="col">Application</th><th scope="col">Process</th><th scope="col">State</th><th scope="col">Restarts</th><th scope="col">Last line</th></tr></thead><tbody>${rows.join('')}</tbody></table>`
}

export function groupSection (group: GroupModel, now: number): string {
  const title = elementId('g', group.id)
  return `<section class="group" data-group="${escapeHtml(group.id)}" aria-labelledby="${title}">
<header><h2 id="${title}">${shown(group.name)}</h2><p class="method" data-k="method">${shown(group.balance)}</p>
<ul class="facts" data-k="facts">${groupFacts(group, now)}</ul>
<div class="tools"><button class="act" data-do="method" aria-haspopup="dialog" aria-label="Options of ${shown(group.name)}">Options</button><button class="act" data-do="add" aria-label="Add a server to ${shown(group.name)}">Add server</button><button class="act" data-do="reset" aria-label="Reset the counters of ${shown(group.name)}">Reset counters</button></div></header>
<div role="table" aria-label="Servers of ${shown(group.name)}"><div role="row" class="heads"><span role="columnheader">Server</span><span role="columnheader">State</span><span role="columnheader">Load</span><span role="columnheader">Requests</span><span role="columnheader">Latency</span><span role="columnheader">Failures</span><span role="columnheader" class="act">Actions</span></div>
<div role="rowgroup" class="servers">${group.servers.map(server => serverRow(group.id, server, now)).join('')}</div></div>
<div class="applications" data-k="applications">${processTable(group, now)}</div>
</section>`
}

export function cacheCard (base: string, cache: CacheModel): string {
  const { id, name, entries, bytes, requests, hitShare, updating, waiting, storeFailures } = cache
  const counts = Object.entries(requests).filter(([, count]) => count > 0).map(([status, count]) => `${status} ${number(count)}`)
  return `<article class="cache" data-cache="${escapeHtml(id)}"><h3><a href="${base}/caches/${encodeURIComponent(id)}">${shown(name)}</a></h3>
<p class="big" data-k="hits"><b>${hitShare === null ? '–' : percent(hitShare)}</b> from the cache</p>
<ul class="facts" data-k="facts"><li>${entries === null ? 'entries unknown' : `${number(entries)} ${entries === 1 ? 'entry' : 'entries'}`}</li><li>${size(bytes)}</li><li>${counts.join(', ') || 'no requests'}</li>${updating + waiting === 0 ? '' : `<li>${updating} being renewed, ${waiting} waiting</li>`}${storeFailures === 0 ? '' : `<li class="warn">${number(storeFailures)} failures of the store</li>`}</ul>
<div class="tools"><button class="act" data-do="purge" aria-label="Purge ${shown(name)}">Purge</button><button class="act" data-do="reset" aria-label="Reset the counters of ${shown(name)}">Reset counters</button></div></article>`
}

export function requestList (requests: readonly RequestModel[], now: number, most = 10): string {
  if (requests.length === 0) return '<li class="none">None.</li>'
  return requests.slice(0, most).map(({ at, method, path, status, time, cache, worker, attempts }) =>
    `<li><p><b class="${status >= 500 ? 'warn' : ''}">${status}</b> <code>${shown(method)} ${shown(path)}</code> <small>${duration(time)}, ${since(at, now)} ago${cache === null ? '' : `, ${shown(cache)}`}${worker === undefined ? '' : `, worker ${worker}`}</small></p>` +
    `<ol>${attempts.map((attempt, index) => `<li><code>${shown(attempt.address)}</code> ${attempt.status ?? 'no answer'}${attempt.responseTime === null ? '' : ` <small>${duration(attempt.responseTime)}</small>`}${attempt.error === null ? '' : attempt.error === attempts[index - 1]?.error ? ' the same' : ` ${shown(attempt.error)}`}</li>`).join('')}</ol></li>`).join('')
}

export function editList (edits: readonly SeenEdit[], now: number, most = 10): string {
  if (edits.length === 0) return '<li class="none">None since the start.</li>'
  return edits.slice(0, most).map(({ at, by, what }) => `<li><b>${shown(by)}</b> ${shown(what)} <small>${since(at, now)} ago</small></li>`).join('')
}

/** How things stand in one sentence, and who is sick. */
export function summary (groups: readonly GroupModel[]): string {
  const servers = groups.flatMap(group => group.servers.map(server => ({ group, server })))
  const sick = servers.filter(({ server }) => isSick(server))
  const up = servers.filter(({ server }) => server.state === 'up' || server.state === 'full').length
  const text = `<b class="${sick.length === 0 ? 'fine' : 'warn'}">${up} of ${servers.length} servers serve</b>`
  const list = sick.map(({ group, server }) =>
    `<li><a href="#${elementId('s', group.id, server.id)}">${shown(server.name)}</a> of <bdi>${shown(group.name)}</bdi> ${stateText(server)}${server.reason === null ? '' : `: ${shown(server.reason)}`}</li>`)
  // The list is always there, and always as high: what is below it must not move under somebody's finger.
  return `${text}<ul class="${list.length === 0 ? 'none' : 'some'}" tabindex="0" aria-label="Servers that are sick">${list.join('') || '<li>No server is sick.</li>'}</ul>`
}

/** Whose numbers are lacking. */
export function missingText (missing: readonly WorkerName[] = []): string {
  const names = missing.map(({ worker, pid }) => `${worker === null ? 'the primary' : `worker ${worker}`} (process ${pid})`)
  return names.length === 0 ? '' : `<p class="warn">Not counted, for there is no answer: ${names.join(', ')}</p>`
}

/** All of them, for the script. */
export const SHARED = [
  escapeHtml, shown, number, duration, size, span, since, percent, graph, stateText, isSick, tagsOf, wordsOf, elementId, button, serverRow,
  groupFacts, processesOf, processRow, processTable, groupSection, cacheCard, requestList, editList, summary, missingText,
].map(String).join('\n')
