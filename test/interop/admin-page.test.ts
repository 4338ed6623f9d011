// The operator's page in a browser: what an operator does on a bad night. Screenshots are taken where ADMIN_SCREENSHOTS names a directory for them.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { refusedAddress } from '../helpers/recorder.ts'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { startDemo } from '../../lib/demo/index.ts'
import { Backends, startAdmin, type AdminGateway } from '../observe/admin-kit.ts'

const CHROMIUM = '/usr/bin/chromium'
const CLOSE = { headers: { connection: 'close' } }
const missing = !existsSync(CHROMIUM)
// Where everything is to be tested a browser that is missing is a failure.
const skip = missing && process.env['CI'] !== 'true' ? `there is no ${CHROMIUM}: apt-get install chromium` : false

let browser: Browser
let context: BrowserContext
/** Where screenshots go. */
const shots = process.env['ADMIN_SCREENSHOTS']

before(async () => {
  if (skip !== false) return
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-software-rasterizer', '--renderer-process-limit=1'], timeout: 60_000 })
  context = await browser.newContext()
  context.setDefaultTimeout(30_000)
})
after(async () => {
  await browser?.close()
})

/** The page, live, in a window of its own. What goes wrong in it fails the test. */
async function openPage (gateway: AdminGateway, options: { width?: number, path?: string, script?: boolean } = {}): Promise<Page> {
  const { width = 1300, path = '/gateway', script = true } = options
  const page = await (script ? context : await browser.newContext({ javaScriptEnabled: false })).newPage()
  await page.setViewportSize({ width, height: 900 })
  page.on('pageerror', error => { throw error })
  page.on('console', message => {
    // A conflict is told by its status.
    if (message.type() === 'error' && !message.text().includes('status of 412')) throw new Error(message.text())
  })
  await page.goto(gateway.url + path)
  if (script && path === '/gateway') await page.waitForSelector('#live.on')
  return page
}

async function shoot (page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true })
}

/** The row of a server. */
function row (page: Page, name: string) {
  return page.locator(`[data-server="${name}"]`)
}

/** Runs in the page: what is wider than the window, and which texts or buttons of a part lie on one another. */
const LAYOUT = `(() => {
  const overlaps = []
  for (const part of document.querySelectorAll('.server, .cache, section > header')) {
    const pieces = [...part.querySelectorAll('b, strong, small, button, svg, .words, h2, h3')]
      .filter(piece => piece.getClientRects().length > 0 && piece.querySelector('b, small') === null)
    for (const [index, one] of pieces.entries()) {
      for (const other of pieces.slice(index + 1)) {
        if (one.contains(other) || other.contains(one)) continue
        const a = one.getBoundingClientRect()
        const b = other.getBoundingClientRect()
        const width = Math.min(a.right, b.right) - Math.max(a.left, b.left)
        const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
        if (width > 1 && height > 3) overlaps.push(one.outerHTML.slice(0, 80) + ' and ' + other.outerHTML.slice(0, 80))
      }
    }
  }
  return { wide: document.documentElement.scrollWidth > window.innerWidth, overlaps }
})()`

async function checkLayout (page: Page): Promise<void> {
  assert.deepEqual(await page.evaluate(LAYOUT), { wide: false, overlaps: [] })
}

/** What the keyboard is at. */
function focused (page: Page): Promise<string> {
  return page.evaluate<string>("document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? ''")
}

test('reads without JavaScript, in a phone and in the dark, and nothing overlaps', { skip }, async () => {
  await using backends = await Backends.start(2)
  const refused = await refusedAddress()
  await using gateway = await startAdmin([...backends.addresses, { address: refused, failTimeout: '1h' }])
  for (const path of ['/cached/a', '/cached/a', '/', '/', '/fail']) await (await fetch(gateway.url + path, CLOSE)).text()
  const page = await openPage(gateway)
  for (const path of ['/gateway', '/gateway/caches/pages']) {
    if (path !== '/gateway') await page.goto(gateway.url + path)
    for (const [width, colorScheme] of [[1300, 'light'], [800, 'light'], [320, 'light'], [360, 'dark']] as const) {
      await page.setViewportSize({ width, height: 800 })
      await page.emulateMedia({ colorScheme })
      await checkLayout(page)
      if (width === 1300 || width === 360) await shoot(page, `${path === '/gateway' ? 'overview' : 'cache'}-${width}`)
    }
  }
  await page.close()
  const plain = await openPage(gateway, { script: false, width: 360 })
  const text = await plain.locator('main').innerText()
  assert.match(text, /\d of 3 servers serve/)
  assert.match(text, /ECONNREFUSED/)
  assert.equal(await plain.locator('.server button:visible').count(), 0, 'nothing is offered that does not work')
  await checkLayout(plain)
  await shoot(plain, 'plain')
  const sizes = await Promise.all(['', '/page.css', '/page.js'].map(async path => (await (await fetch(`${gateway.url}/gateway${path}`, CLOSE)).text()).length))
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 60_000, `${sizes.join(' + ')} bytes`)
  await plain.close()
})

test('a server is drained under load, runs empty, and serves again', { skip }, async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const held = new Promise<void>(resolve => { backends.onHold = () => { if (backends.holding === 4) resolve() } })
  const requests = Array.from({ length: 4 }, () => fetch(`${gateway.url}/hold`, CLOSE).then(response => response.text()))
  await held
  const page = await openPage(gateway)
  const name = backends.addresses[0] ?? ''
  const server = row(page, name)
  await server.getByText('2 running').waitFor()
  await server.getByRole('button', { name: `Drain ${name}` }).click()
  await server.getByText('draining').waitFor()
  await page.getByText('drains: no new requests').waitFor()
  const other = await (await fetch(gateway.url, CLOSE)).text()
  assert.equal(other, 'hello')
  await shoot(page, 'draining')
  backends.release()
  assert.deepEqual(await Promise.all(requests), ['held', 'held', 'held', 'held'])
  await server.getByText('0 running').waitFor()
  await server.getByRole('button', { name: `Enable ${name}` }).click()
  await server.locator('.badge', { hasText: 'up' }).waitFor()
  await page.locator('#edits').getByText(`edits ${name} of app: drain true -> false`).waitFor()
  await page.close()
})

test('a sick server is found by its reason, and the entries of a cache are searched and purged', { skip }, async () => {
  await using backends = await Backends.start(1)
  const refused = await refusedAddress()
  await using gateway = await startAdmin([{ address: refused, failTimeout: '1h' }, ...backends.addresses])
  const page = await openPage(gateway)
  const place = (): Promise<{ y: number } | null> => row(page, backends.addresses[0] ?? '').boundingBox()
  const before = await place()
  for (const path of ['/cached/one', '/cached/two', '/cached/two']) await (await fetch(gateway.url + path, CLOSE)).text()
  const sick = page.locator('#summary a', { hasText: refused })
  await sick.waitFor()
  assert.equal((await place())?.y, before?.y, 'nothing moves while it updates')
  await sick.click()
  assert.match(await row(page, refused).innerText(), /ECONNREFUSED, nobody listens there/)
  await page.locator('#failed').getByText('/cached/').first().waitFor()
  await page.getByRole('link', { name: 'pages' }).click()
  await page.getByRole('textbox').fill('two')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.waitForURL(/search=two/)
  assert.equal(await page.locator('tr[data-key]').count(), 1)
  await page.locator('tr[data-key] button').click()
  await page.getByText('1 entry purged').waitFor()
  assert.equal(await page.locator('tr[data-key]').count(), 0)
  assert.equal(gateway.cache.stats().entries, 1)
  await page.close()
})

test('two operators at once: the second sees what the first has done, before it is overwritten', { skip }, async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const name = backends.addresses[0] ?? ''
  const [first, second] = await Promise.all([openPage(gateway), openPage(gateway)])
  for (const page of [first, second]) await row(page, name).getByRole('button', { name: `Options of ${name}` }).click()
  await first.getByLabel('Weight').fill('5')
  await first.getByRole('button', { name: 'Save' }).click()
  await first.getByRole('dialog').waitFor({ state: 'hidden' })
  await second.getByLabel('Weight').fill('9')
  await second.getByRole('button', { name: 'Save' }).click()
  await second.getByRole('dialog').getByText('Somebody has edited it meanwhile').waitFor()
  assert.equal(await second.getByLabel('Weight').inputValue(), '5')
  await shoot(second, 'conflict')
  await second.getByLabel('Weight').fill('7')
  await second.getByRole('button', { name: 'Save' }).click()
  await row(first, name).getByText('weight 7').waitFor()
  await Promise.all([first.close(), second.close()])
})

test('options of a group: set, taken away, and shown as somebody else has set them', { skip }, async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const page = await openPage(gateway)
  const options = async (): Promise<ReturnType<typeof JSON.parse>> => (await gateway.api('GET', '/groups/app')).body.options
  const save = async (fields: Readonly<Record<string, string>>): Promise<void> => {
    await page.getByRole('button', { name: 'Options of app' }).click()
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label).fill(value)
    await page.getByLabel('How the servers take turns').selectOption('least_time, last byte')
    await page.getByLabel('Health check').selectOption(fields['Path of the check'] === undefined ? '' : 'scgi')
  }
  const send = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  }
  await save({
    'Requests that may wait': '5',
    'Wait for': '3s',
    'Most attempts': '2',
    'Statuses that are failures': '500, 502',
    'Session cookie': 'sid',
    'Path of the check': '/ok',
    'Checked every': '1h',
    'Fails that take it out': '3',
    'Status that passes': '2xx, 404',
    'Body contains': 'fine',
  })
  await page.getByLabel('use them all again').check()
  await shoot(page, 'group')
  await page.setViewportSize({ width: 360, height: 800 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await shoot(page, 'group-phone')
  await page.setViewportSize({ width: 1300, height: 900 })
  await send()
  const whole = {
    balance: { leastTime: 'lastByte' },
    sticky: { apache: { cookie: 'sid' } },
    queue: { size: 5, timeout: '3s' },
    tries: 2,
    failOnStatus: [500, 502],
    forceRecovery: true,
    health: { type: 'scgi', path: '/ok', interval: '1h', fails: 3, expect: { status: ['2xx', 404], body: 'fine' } },
  }
  assert.deepEqual(await options(), whole)
  await page.locator('.method', { hasText: 'least_time' }).waitFor()
  await save({ 'Requests that may wait': '', 'Wait for': '', 'Session cookie': '', 'Most attempts': '4', 'Statuses that are failures': '' })
  await gateway.api('PATCH', '/groups/app', { body: { tries: 3 }, ifMatch: '*' })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('dialog').getByText('Somebody has edited it meanwhile').waitFor()
  assert.equal(await page.getByLabel('Most attempts').inputValue(), '3')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await save({ 'Requests that may wait': '', 'Wait for': '', 'Session cookie': '', 'Most attempts': '0', 'Statuses that are failures': '' })
  await page.getByLabel('Sessions move').uncheck()
  await send()
  assert.deepEqual(await options(), { ...whole, sticky: null, queue: null, tries: 0, failOnStatus: null, health: null })
  await page.close()
})

test('a keyboard is enough, and focus stays where it is while the page lives', { skip }, async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const name = backends.addresses[0] ?? ''
  const page = await openPage(gateway)
  const goTo = async (label: string): Promise<void> => {
    for (let presses = 0; presses < 40; presses++) {
      if (await focused(page) === label) return
      await page.keyboard.press('Tab')
    }
    assert.fail(`nothing leads to '${label}'`)
  }
  await goTo('To the servers')
  await goTo(`Drain ${name}`)
  await page.keyboard.press('Enter')
  await row(page, name).getByText('draining').waitFor()
  assert.equal(await focused(page), `Enable ${name}`)
  await page.keyboard.press('Enter')
  await row(page, name).locator('.badge', { hasText: 'up' }).waitFor()
  await goTo(`Options of ${name}`)
  await page.keyboard.press('Space')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  assert.equal(await focused(page), `Options of ${name}`)
  await page.close()
})

test('a page that was told an error, and not the stream, lives again when there is one', { skip }, async () => {
  await using backends = await Backends.start(1)
  let broken = true
  await using gateway = await startAdmin(backends.addresses, {}, app => {
    app.addHook('onRequest', async (request, reply) => {
      if (broken && request.url.endsWith('/api/events')) await reply.code(503).send()
    })
  })
  const page = await context.newPage()
  await page.goto(`${gateway.url}/gateway`)
  await page.waitForSelector('#live.off')
  broken = false
  await page.waitForSelector('#live.on')
  assert.equal(await page.locator('.server').count(), 1)
  await page.close()
})

test('names and errors are text, whatever is in them', { skip }, async () => {
  await using backends = await Backends.start(1)
  const evil = '"><img/src=x\'onerror=document.title=1>'
  await using gateway = await startAdmin(backends.addresses)
  await (await fetch(`${gateway.url}/cached/${encodeURIComponent('<script>document.title=1</script>')}?q=${encodeURIComponent(evil)}`, CLOSE)).text()
  await gateway.api('POST', '/groups/app/servers', { body: { address: `unix:/tmp/${evil}.sock`, route: '<b>x</b>' } })
  await (await fetch(`${gateway.url}/fail/${encodeURIComponent(evil)}`, CLOSE)).text()
  const page = await openPage(gateway)
  await page.getByText('<b>x</b>').first().waitFor()
  const cache = await openPage(gateway, { path: `/gateway/caches/pages?search=${encodeURIComponent('*')}` })
  for (const one of [page, cache]) {
    assert.equal(await one.locator('img').count(), 0)
    assert.notEqual(await one.title(), '1')
    await one.close()
  }
  const missingCache = await (await fetch(`${gateway.url}/gateway/caches/${encodeURIComponent(evil)}`, CLOSE)).text()
  assert.equal(JSON.parse(missingCache).statusCode, 404)
})

test('the demo uses the width of a phone, and its clock says whose time it is', { skip }, async () => {
  const demo = await startDemo('/')
  const app = Fastify()
  app.register(scgi, { upstreams: demo.address })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const page = await context.newPage()
  await page.setViewportSize({ width: 360, height: 800 })
  await page.goto(url)
  await page.getByText('connected, one event a second').waitFor()
  assert.match(await page.getByRole('timer').innerText(), /^\d\d:\d\d:\d\d UTC$/)
  for (const width of [360, 860, 1300]) {
    await page.setViewportSize({ width, height: 800 })
    const { wide, narrow } = await page.evaluate<{ wide: boolean, narrow: string[] }>(`({
      wide: document.documentElement.scrollWidth > window.innerWidth,
      narrow: [...document.querySelectorAll('td')].filter(cell => cell.getBoundingClientRect().width < cell.closest('table').clientWidth * 0.6).map(cell => cell.textContent)
    })`)
    assert.equal(wide, false, `${width}`)
    // Where names stand above values, each has the whole line.
    if (width < 864) assert.deepEqual(narrow, [], `${width}`)
    if (width === 360) await shoot(page, 'demo-360')
  }
  await page.close()
  await Promise.all([app.close(), demo.close()])
})
