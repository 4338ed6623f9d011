import { createHash } from 'node:crypto'

// Everything is in the page itself: it must come up without a network, and its policy can name every byte of it.

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f6f8; --card: #ffffff; --ink: #17212b; --soft: #51606f; --line: #d8dfe6;
  --accent: #0b6e63; --accent-ink: #ffffff; --tint: #e3f2ef; --code: #eef2f5; --warn: #a3260f;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10161c; --card: #18212a; --ink: #e6edf3; --soft: #9fb0c0; --line: #2c3946;
    --accent: #4fd1bd; --accent-ink: #06231f; --tint: #14302d; --code: #0f171e; --warn: #ff9b85;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink) }
main, header > div, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem }
header { background: var(--card); border-bottom: 1px solid var(--line) }
header > div { padding-top: 2.5rem; padding-bottom: 2rem }
h1 { margin: 0; font-size: clamp(1.7rem, 4vw, 2.4rem); line-height: 1.2; letter-spacing: -.02em }
h2 { margin: 0 0 .25rem; font-size: 1.15rem }
p { margin: 0 0 .9rem }
.lead { margin: .6rem 0 1.8rem; color: var(--soft); font-size: 1.08rem; max-width: 44rem }
code, pre, kbd, td, .mono { font-family: ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
code { background: var(--code); border-radius: 4px; padding: .08em .35em; font-size: .9em }
header code { white-space: nowrap }

.way { display: flex; align-items: stretch; list-style: none; margin: 0; padding: 0 }
.way li { display: flex; flex-direction: column; justify-content: center; min-width: 0 }
.way .stop { flex: 1 1 0; border: 1px solid var(--line); border-radius: 12px; padding: .8rem 1rem; background: var(--page) }
.way .stop strong { display: block }
.way .stop span { color: var(--soft); font-size: .88rem; overflow-wrap: anywhere }
.way .here { background: var(--tint); border-color: var(--accent) }
.way .hop { flex: 0 0 9rem; text-align: center; color: var(--soft); font-size: .82rem; padding: 0 .5rem }
.way .hop::after { content: ""; display: block; height: 2px; margin-top: .3rem; background: linear-gradient(90deg, var(--line), var(--accent)) }

main { padding-top: 1.5rem; padding-bottom: 1rem; display: grid; gap: 1.25rem; grid-template-columns: repeat(3, minmax(0, 1fr)) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.25rem 1.35rem; min-width: 0 }
section.wide { grid-column: 1 / -1 }
section > p { color: var(--soft); font-size: .95rem }
label { display: block; font-weight: 600; font-size: .92rem; margin: .6rem 0 .25rem }
input { width: 100%; font: inherit; color: inherit; background: var(--page); border: 1px solid var(--soft); border-radius: 8px; padding: .5rem .65rem }
input[type=file] { padding: .35rem; font-size: .9rem }
button { margin-top: .9rem; font: inherit; font-weight: 600; color: var(--accent-ink); background: var(--accent); border: 0; border-radius: 8px; padding: .55rem 1.1rem; cursor: pointer }
button:hover { filter: brightness(1.08) }
button[disabled] { opacity: .6; cursor: progress }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
output { display: block }
output:empty { display: none }
.answer { margin: 1rem 0 0; border-left: 3px solid var(--accent); background: var(--code); border-radius: 0 8px 8px 0; padding: .7rem .9rem; font-size: .9rem }
.answer.bad { border-color: var(--warn) }
.answer dl { margin: 0; display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .15rem .8rem }
.answer dl + dl { margin-top: .7rem; padding-top: .7rem; border-top: 1px solid var(--line) }
.answer dt { color: var(--soft) }
.answer dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }
section > .time { color: var(--ink); font-size: clamp(2rem, 4.6vw, 2.9rem); font-weight: 600; letter-spacing: -.01em; font-variant-numeric: tabular-nums; line-height: 1.2; margin: 1rem 0 .2rem }
.time small { color: var(--soft); font-size: .4em; font-weight: 400; letter-spacing: 0 }
.state { color: var(--soft); font-size: .9rem; margin: 0 }
.state::before { content: ""; display: inline-block; width: .6rem; height: .6rem; margin-right: .5rem; border-radius: 50%; background: var(--line) }
.state.on::before { background: var(--accent) }
.state.off::before { background: var(--warn) }

.tables { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); column-gap: 2.5rem }
table { width: 100%; border-collapse: collapse; font-size: .88rem; table-layout: fixed }
caption { text-align: left; padding: 1rem 0 .35rem; font: 600 .95rem system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
th[scope=col] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
col:first-child { width: 11.5rem }
.tables .full { grid-column: 1 / -1 }
.full col:first-child { width: 17rem }
tbody th { text-align: left; font: 500 1em ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; color: var(--soft); padding-right: 1rem }
tbody th, tbody td { border-top: 1px solid var(--line); padding-top: .38rem; padding-bottom: .38rem; vertical-align: top; overflow-wrap: anywhere }
tbody td em { color: var(--soft) }
details { margin-top: 1.25rem }
details p { margin: .6rem 0 0; color: var(--soft); font-size: .9rem }
summary { cursor: pointer; font-weight: 600 }
pre { background: var(--code); border-radius: 8px; padding: .9rem 1rem; margin: .7rem 0 0; font-size: .84rem; white-space: pre-wrap; overflow-wrap: anywhere }
pre b { color: var(--accent); font-weight: 700 }
footer { color: var(--soft); font-size: .9rem; padding-bottom: 3rem }
footer pre { color: var(--ink) }

@media (max-width: 54rem) {
  main, .tables { grid-template-columns: minmax(0, 1fr) }
  .way { flex-direction: column }
  .way .hop { flex: none; padding: .35rem 0 }
  .way .hop::after { display: none }
  .way .hop::before { content: "\\2193  " }
  colgroup { display: none }
  tbody th, tbody td { display: block }
  tbody th { padding-bottom: 0 }
  tbody td { border-top: 0; padding-top: .05rem }
}
@media (prefers-reduced-motion: no-preference) { button { transition: filter .15s } }
`

export const SCRIPT = `
'use strict'
const show = (output, bad, lists) => {
  const box = document.createElement('div')
  box.className = bad ? 'answer bad' : 'answer'
  for (const entries of lists) {
    const list = box.appendChild(document.createElement('dl'))
    for (const [name, value] of entries) {
      list.appendChild(document.createElement('dt')).textContent = name
      list.appendChild(document.createElement('dd')).textContent = value
    }
  }
  output.replaceChildren(box)
}
const describe = answer => {
  if (answer.files === undefined) return [Object.entries(answer.received)]
  if (answer.files.length === 0) return [[['files', 'none chosen']]]
  return answer.files.map(file => [['name', file.name], ['type', file.type], ['bytes', file.bytes.toLocaleString('en')], ['SHA-256', file.sha256]])
}
for (const form of document.forms) {
  form.addEventListener('submit', async event => {
    event.preventDefault()
    const output = form.querySelector('output')
    const button = form.querySelector('button')
    const data = new FormData(form)
    button.disabled = true
    try {
      const multipart = form.enctype === 'multipart/form-data'
      const response = await fetch(form.action, { method: 'POST', headers: { accept: 'application/json' }, body: multipart ? data : new URLSearchParams(data) })
      const answer = await response.json()
      if (response.ok) show(output, false, describe(answer))
      else show(output, true, [[['status', response.status], ['message', answer.message ?? answer.error]]])
    } catch (error) {
      show(output, true, [[['failed', error.message]]])
    }
    button.disabled = false
  })
}
const clock = document.getElementById('clock')
const time = clock.querySelector('time')
const state = clock.querySelector('.state')
const tell = (text, name) => {
  if (state.textContent === text) return
  state.textContent = text
  state.className = 'state ' + name
}
const source = new EventSource(clock.dataset.source)
source.addEventListener('tick', event => {
  time.textContent = event.data.slice(11, 19)
  tell('connected, one event a second', 'on')
})
source.addEventListener('error', () => tell('connection lost, the browser tries again', 'off'))
`

function digest (text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** Content-Security-Policy: nothing from elsewhere, and no markup that came in with a request can run. */
export const CSP = [
  "default-src 'none'",
  `style-src ${digest(STYLE)}`,
  `script-src ${digest(SCRIPT)}`,
  "connect-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')
