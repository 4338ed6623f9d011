import { cacheCard, editList, escapeHtml, groupSection, missingText, number, percent, requestList, shown, size, span, summary } from './render.ts'
import { thinned } from '../accounts/history.ts'
import type { WorkerName } from '../../../workers/siblings.ts'
import type { ProcessModel } from '../api/process.ts'
import type { AgesModel, EntriesModel } from '../api/entries.ts'
import type { CacheModel, GroupModel, RequestModel, SeenEdit } from '../api/model.ts'

/** What every page of an answer needs to know. */
export interface Frame {
  /** Path of the page, without a slash at its end. */
  readonly base: string
  /** For edits. */
  readonly token: string
  /** Of this answer, for the policy. */
  readonly nonce: string
  readonly now: number
}

type ShownProcess = Pick<ProcessModel, 'pid' | 'worker' | 'uptime' | 'memory'>

export interface Overview {
  readonly groups: readonly GroupModel[]
  readonly caches: readonly CacheModel[]
  readonly failed: readonly RequestModel[]
  readonly slow: readonly RequestModel[]
  readonly edits: readonly SeenEdit[]
  readonly process: ShownProcess
  readonly workers?: readonly ShownProcess[] | undefined
  readonly missing?: readonly WorkerName[] | undefined
}

/** Whose numbers these are. */
function processText ({ pid, uptime, memory }: ShownProcess, workers: readonly ShownProcess[] | undefined): string {
  return workers === undefined
    ? `process ${pid}, up for ${span(uptime)}, ${size(memory)}`
    : `workers ${workers.map(({ worker }) => worker).join(', ')}, up for ${span(uptime)}, ${size(workers.reduce((sum, each) => sum + each.memory, 0))}`
}

/** Nothing from elsewhere, and no markup that came in with a name can run. */
export function policy (nonce: string): string {
  return [
    "default-src 'none'", `style-src 'nonce-${nonce}'`, `script-src 'nonce-${nonce}'`, "connect-src 'self'", 'img-src data:', "form-action 'self'", "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** A small disk, so that no browser asks for /favicon.ico. */
const ICON = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E%3Ccircle cx=%228%22 cy=%228%22 r=%227%22 fill=%22%230b6e63%22/%3E%3Cpath d=%22M3 9h3l2-5 2 8 1-3h2%22 stroke=%22white%22 stroke-width=%221.5%22 fill=%22none%22/%3E%3C/svg%3E'

function page ({ base, token, nonce }: Frame, title: string, head: string, main: string, refresh: boolean): string {
  const path = escapeHtml(base)
  return `<!DOCTYPE html>
<html lang="en" data-base="${path}" data-token="${escapeHtml(token)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${shown(title)}</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="${path}/page.css" nonce="${nonce}">
${refresh ? '<noscript><meta http-equiv="refresh" content="10"></noscript>\n' : ''}</head>
<body>
<a class="skip" href="#main">To the servers</a>
<div class="top"><div class="bar">${head}</div></div>
<main id="main">
${main}
</main>
<p id="note" role="status" aria-live="polite"></p>
<dialog id="panel" aria-labelledby="panel-title"><form method="dialog"><h2 id="panel-title"></h2><div class="fields"></div><div class="more"></div><p class="problem" role="alert"></p><div class="foot"><button type="submit">Save</button><button type="button" class="cancel">Cancel</button></div></form></dialog>
<script src="${path}/page.js" nonce="${nonce}"></script>
</body>
</html>
`
}

export function overviewPage (frame: Frame, { groups: whole, caches, failed, slow, edits, process, workers, missing }: Overview): string {
  const { base, now } = frame
  const groups = inFewPoints(whole)
  return page(frame, 'Gateway', `<h1>Gateway</h1><p>${processText(process, workers)}</p><p id="live" role="status">as it was when the page was made</p>`, `<div id="summary" role="status">${summary(groups)}</div>
<div id="missing" role="status">${missingText(missing)}</div>
<div id="groups">${groups.map(group => groupSection(group, now)).join('')}</div>
${caches.length === 0
  ? ''
  : `<section aria-labelledby="caches-title"><header><h2 id="caches-title">Caches</h2></header><div class="cards" id="caches">${caches.map(cache => cacheCard(escapeHtml(base), cache)).join('')}</div></section>`}
<div class="columns">
<section aria-labelledby="failed-title"><header><h2 id="failed-title">Failed requests</h2><div class="tools"><button type="button" class="act" data-do="forget">Clear both lists</button></div></header><ul class="list" id="failed" tabindex="0" aria-labelledby="failed-title">${requestList(failed, now, LISTED)}</ul></section>
<section aria-labelledby="slow-title"><header><h2 id="slow-title">Slow requests</h2></header><ul class="list" id="slow" tabindex="0" aria-labelledby="slow-title">${requestList(slow, now, LISTED)}</ul></section>
<section aria-labelledby="edits-title"><header><h2 id="edits-title">Edits</h2></header><ul class="list" id="edits" tabindex="0" aria-labelledby="edits-title">${editList(edits, now, LISTED)}</ul></section>
</div>
<footer>Counters and graphs are those of ${workers === undefined ? 'this process' : 'all workers'}, and of the last hour. <noscript>Without JavaScript the page is for reading; it comes anew every ten seconds. </noscript>The API: <a href="${escapeHtml(base)}/api/openapi.json">openapi.json</a></footer>`, true)
}

/** Requests and edits of each list, until the script shows more. */
const LISTED = 3
/** Points of all graphs of one kind. With the first event the script draws them all. */
const POINTS = 120
const LEAST_POINTS = 8

/** A phone has to load what is drawn. */
function inFewPoints (groups: readonly GroupModel[]): GroupModel[] {
  const all = groups.reduce((sum, { servers }) => sum + servers.length, 0)
  const count = Math.max(LEAST_POINTS, Math.floor(POINTS / Math.max(1, all)))
  return groups.map(group => ({
    ...group,
    servers: group.servers.map(server => {
      const { history } = server
      return history === undefined ? server : { ...server, history: { ...history, ...thinned(history, count) } }
    }),
  }))
}

export interface CacheView {
  readonly cache: CacheModel
  readonly search: string
  readonly offset: number
  readonly listed: (EntriesModel & { readonly missing?: readonly WorkerName[] }) | { readonly problem: string }
  readonly ages: AgesModel | undefined
}

export function cachePage (frame: Frame, { cache, search, offset, listed, ages }: CacheView): string {
  const { base } = frame
  const self = `${escapeHtml(base)}/caches/${encodeURIComponent(cache.id)}`
  const link = (to: number): string => `${self}?search=${encodeURIComponent(search)}&amp;offset=${to}`
  const rows = 'problem' in listed
    ? []
    : listed.entries.map(entry => `<tr data-key="${escapeHtml(entry.key)}"><th scope="row"><code>${shown(entry.key)}</code>${entry.vary.length === 0 ? '' : `<br><small>varies by ${shown(entry.vary.join(', '))}</small>`}${entry.worker === undefined ? '' : `<br><small>in worker ${entry.worker}</small>`}</th>
<td class="num optional">${entry.status}</td><td class="num optional">${size(entry.bytes)}</td><td class="num">${span(entry.age)}</td><td class="num">${entry.freshFor === 0 ? 'stale' : span(entry.freshFor)}</td><td class="optional">${shown(entry.tags.join(', '))}</td><td class="act"><button type="button" data-do="purge-key" aria-label="Purge ${shown(entry.key)}">Purge</button></td></tr>`)
  const next = 'problem' in listed ? null : listed.next
  return page(frame, `Cache ${cache.name}`, `<h1><a href="${escapeHtml(base)}/">Gateway</a> / ${shown(cache.name)}</h1><p id="live" hidden></p>`, `<div class="columns">
<section aria-label="What it does">${cacheCard(escapeHtml(base), cache)}</section>
${ages === undefined ? '' : agesSection(ages)}
</div>
<section aria-labelledby="entries-title" data-cache="${escapeHtml(cache.id)}"><header><h2 id="entries-title">Entries</h2></header>
<form class="search" method="get" action="${self}" role="search"><label>Keys that contain, or match with *<input name="search" value="${escapeHtml(search)}" autocomplete="off" spellcheck="false"></label><button>Search</button></form>
${'problem' in listed ? `<p class="warn">${shown(listed.problem)}</p>` : missingText(listed.missing) + table(rows)}
<nav class="pages" aria-label="Pages">${offset === 0 ? '' : `<a href="${link(Math.max(0, offset - 50))}">Previous</a>`}${next === null ? '' : `<a href="${link(next)}">Next</a>`}</nav>
</section>`, false)
}

function table (rows: readonly string[]): string {
  if (rows.length === 0) return '<p class="none">There are none.</p>'
  return `<table><thead><tr><th scope="col">Key</th><th scope="col" class="optional">Status</th><th scope="col" class="optional">Size</th><th scope="col">Age</th><th scope="col">Fresh for</th><th scope="col" class="optional">Tags</th><td class="act"></td></tr></thead><tbody>${rows.join('')}</tbody></table>`
}

function agesSection ({ ages, stale, whole }: AgesModel): string {
  const all = ages.reduce((sum, { entries }) => sum + entries, 0)
  return `<section aria-labelledby="ages-title"><header><h2 id="ages-title">By age</h2></header><table><thead><tr><th scope="col">Up to</th><th scope="col">Entries</th><th scope="col">Share</th><th scope="col">Size</th></tr></thead><tbody>${ages.map(({ upTo, entries, bytes }) =>
    `<tr><th scope="row">${upTo === null ? 'older' : span(upTo)}</th><td class="num">${number(entries)}</td><td class="num">${all === 0 ? '–' : percent(entries / all)}</td><td class="num">${size(bytes)}</td></tr>`).join('')}</tbody></table><p><small>${number(stale)} of them are stale.${whole ? '' : ' These are the first ten thousand.'}</small></p></section>`
}
