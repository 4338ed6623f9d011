import { SCRIPT, STYLE } from './assets.ts'
import type { UploadedFile } from './input.ts'
import type { ScgiServerRequest } from '../../types/server.ts'

/** What came of a form or an upload. */
export type Outcome = { readonly form: readonly [name: string, value: string][] } | { readonly files: readonly UploadedFile[] }

type Rows = readonly (readonly [name: string, value: string])[]

/** A small teal disk, so that no browser asks for /favicon.ico. */
const ICON = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E%3Ccircle cx=%228%22 cy=%228%22 r=%227%22 fill=%22%230b6e63%22/%3E%3Cpath d=%22M4 8h7M8 5l3 3-3 3%22 stroke=%22white%22 stroke-width=%222%22 fill=%22none%22/%3E%3C/svg%3E'

const GROUPS: readonly (readonly [title: string, member: (name: string) => boolean])[] = [
  ['Request', name => /^(?:REQUEST_|SCRIPT_|PATH_|QUERY_|DOCUMENT_|CONTENT_|HTTPS$)/.test(name)],
  ['Client and server', name => /^(?:REMOTE_|SERVER_|GATEWAY_|SCGI)/.test(name)],
  ['Request headers', name => name.startsWith('HTTP_')],
  ['Other parameters', () => true],
]

/**
 * The page.
 * @param base path of the application, without a slash at its end
 */
export function renderPage (request: ScgiServerRequest, base: string, outcome: Outcome | undefined): string {
  // The values are bytes, one a character, as they came over the wire.
  const rows: Rows = Object.entries(request.scgi).map(([name, value]) => [name, utf8(value)])
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fastify-scgi: it works</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>
<header><div>
<h1>It works: this page came over SCGI</h1>
<p class="lead">Fastify took your request, wrote it to an SCGI application, and gave you the answer. The application is embedded in the demo; yours takes its place with <code>npx fastify-scgi 127.0.0.1:4000</code>, in a clone with <code>npm start -- 127.0.0.1:4000</code></p>
${renderWay(request)}
</div></header>
<main>
${renderForm(base, outcome)}
${renderUpload(base, outcome)}
<section id="clock" data-source="${escape(base)}/clock" aria-labelledby="clock-title">
<h2 id="clock-title">Clock</h2>
<p>Server-sent events: each reaches you when the application writes it.</p>
<p class="time" role="timer" aria-label="time of the server"><time>${new Date().toISOString().slice(11, 19)}</time> <small>UTC</small></p>
<p class="state" role="status">as it was when the page was made</p>
</section>
<section class="wide" aria-labelledby="params-title">
<h2 id="params-title">What the application was sent</h2>
<p>${rows.length} parameters. Each is a name and a value; there is no request line and there are no headers.</p>
${renderGroups(rows)}
${renderWire(request)}
</section>
</main>
<footer>
<h2>From a shell</h2>
<pre>${escape(curlLines(request, base))}</pre>
</footer>
<script>${SCRIPT}</script>
</body>
</html>
`
}

function renderWay (request: ScgiServerRequest): string {
  const { scgi } = request
  const server = scgi['SERVER_ADDR'] ?? scgi['SERVER_NAME']
  const client = scgi['REMOTE_ADDR']
  const local = request.socket.address()
  const over = 'port' in local ? 'over TCP' : 'over a unix socket'
  return `<ol class="way" aria-label="The way of this request">
<li class="stop"><strong>Your browser</strong><span>${escape(client === undefined || client === '' ? 'the client' : client)}</span></li>
<li class="hop">${escape(scgi['SERVER_PROTOCOL'] ?? 'HTTP')}</li>
<li class="stop"><strong>Fastify + fastify-scgi</strong><span>${server === undefined || server === '' ? 'the gateway' : escape(`${server}:${scgi['SERVER_PORT'] ?? ''}`)}</span></li>
<li class="hop">SCGI<br>${over}</li>
<li class="stop here"><strong>This application</strong><span>${escape(request.method ?? '')} ${escape(scgi['PATH_INFO'] ?? request.url ?? '')}</span></li>
</ol>`
}

function renderForm (base: string, outcome: Outcome | undefined): string {
  const answer = outcome !== undefined && 'form' in outcome ? renderAnswer([outcome.form]) : ''
  return `<section aria-labelledby="form-title">
<h2 id="form-title">Form</h2>
<p>A POST; the application sends back what it read.</p>
<form method="post" action="${escape(base)}/form">
<label for="name">Name</label><input id="name" name="name" value="Ada Lovelace" autocomplete="off">
<label for="topic">Topic</label><input id="topic" name="topic" value="Notes on the engine" autocomplete="off">
<button>Send</button>
<output for="name topic">${answer}</output>
</form>
</section>`
}

function renderUpload (base: string, outcome: Outcome | undefined): string {
  const answer = outcome === undefined || !('files' in outcome)
    ? ''
    : renderAnswer(outcome.files.length === 0
      ? [[['files', 'none chosen']]]
      : outcome.files.map(file => [['name', file.name], ['type', file.type], ['bytes', file.bytes.toLocaleString('en')], ['SHA-256', file.sha256]]))
  return `<section aria-labelledby="upload-title">
<h2 id="upload-title">Upload</h2>
<p>Up to 64 MB. The application tells length and SHA-256, and keeps nothing.</p>
<form method="post" action="${escape(base)}/upload" enctype="multipart/form-data">
<label for="file">File</label><input id="file" name="file" type="file" required>
<button>Upload</button>
<output for="file">${answer}</output>
</form>
</section>`
}

function renderAnswer (lists: readonly Rows[]): string {
  return `<div class="answer">${lists.map(rows =>
    `<dl>${rows.map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`).join('')}</dl>`).join('')}</div>`
}

function renderGroups (rows: Rows): string {
  let left = rows
  return `<div class="tables">${GROUPS.map(([title, member], index) => {
    const mine = left.filter(([name]) => member(name))
    left = left.filter(([name]) => !member(name))
    if (mine.length === 0) return ''
    return `<table${index < 2 ? '' : ' class="full"'}>
<caption>${title}</caption>
<colgroup><col><col></colgroup>
<thead><tr><th scope="col">Parameter</th><th scope="col">Value</th></tr></thead>
<tbody>
${mine.map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${value === '' ? '<em>empty</em>' : escape(value)}</td></tr>`).join('\n')}
</tbody>
</table>`
  }).join('\n')}</div>`
}

/** The header block as it was on the wire; the parameters come in its order, and each once. */
function renderWire ({ scgi }: ScgiServerRequest): string {
  const params = Object.entries(scgi)
  const size = params.reduce((sum, [name, value]) => sum + name.length + value.length + 2, 0)
  const text = params.map(([name, value]) => `${escape(name)}<b>\\0</b>${escape(utf8(value))}<b>\\0</b>`).join('')
  return `<details>
<summary>The same as bytes</summary>
<pre><b>${size}:</b>${text}<b>,</b></pre>
<p>Length, names and values each ended by a NUL (<b>\\0</b>), a comma; a request body would follow.</p>
</details>`
}

function curlLines ({ scgi, headers }: ScgiServerRequest, base: string): string {
  const origin = `${scgi['REQUEST_SCHEME'] ?? 'http'}://${/^[\w.:[\]-]+$/.test(headers.host ?? '') ? headers.host : 'localhost:8080'}${base}`
  return [
    `curl ${origin}/params`,
    `curl -d name=Ada -d topic=SCGI ${origin}/form`,
    `curl -F file=@package.json ${origin}/upload`,
    `curl -N ${origin}/clock`,
  ].join('\n')
}

function utf8 (bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escape (text: string): string {
  return text.replace(/[&<>"']/g, char => ESCAPES[char] ?? char)
}
