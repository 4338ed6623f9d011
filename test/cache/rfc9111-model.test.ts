// Random histories of replies and requests, compared with a cache that is as simple as RFC 9111 can be told: a list of what was stored,
// looked through from the newest.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { settled, TestGateway, type Answer } from './kit.ts'

interface Reply {
  maxAge: number | undefined
  directives: string[]
  etag: string | undefined
  age: number
  authorized: boolean
}

interface Stored {
  body: string
  etag: string | undefined
  /** Seconds since the epoch in which the application made it. */
  made: number
  lifetime: number
  mustValidate: boolean
}

/** What a shared cache may do with a reply, in a few lines. */
class Model {
  stored: Stored | undefined

  /** Which body a request gets, `undefined` where the application has to be asked; then with which tag. */
  lookup (now: number): { body: string } | { ask: string | undefined } {
    const { stored } = this
    if (stored === undefined) return { ask: undefined }
    if (!stored.mustValidate && stored.lifetime > now - stored.made) return { body: stored.body }
    return { ask: stored.etag }
  }

  receive (reply: Reply, body: string, now: number): void {
    const says = (directive: string): boolean => reply.directives.includes(directive)
    if (says('no-store') || says('private')) return
    if (reply.authorized && !says('public') && !says('must-revalidate')) return
    const fresh = reply.maxAge !== undefined && reply.maxAge > reply.age && !says('no-cache')
    // What is not fresh is of use where it can be validated.
    if (!fresh && (reply.etag === undefined || (reply.maxAge === undefined && !says('no-cache')))) return
    this.stored = { body, etag: reply.etag, made: now - reply.age, lifetime: reply.maxAge ?? 0, mustValidate: says('no-cache') }
  }

  confirm (reply: Reply, now: number): void {
    const { stored } = this
    if (stored === undefined || reply.directives.includes('no-store') || reply.directives.includes('private')) return
    const says = reply.maxAge !== undefined || reply.directives.length > 0
    Object.assign(stored, { made: now - reply.age })
    if (says) Object.assign(stored, { lifetime: reply.maxAge ?? 0, mustValidate: reply.directives.includes('no-cache') })
  }
}

const reply = fc.record({
  maxAge: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
  directives: fc.subarray(['no-store', 'private', 'no-cache', 'public', 'must-revalidate'], { maxLength: 2 }),
  etag: fc.option(fc.constantFrom('"1"', '"2"'), { nil: undefined }),
  age: fc.integer({ min: 0, max: 10 }),
  authorized: fc.boolean(),
})

function headersOf ({ maxAge, directives, etag, age }: Reply): Record<string, string> {
  const control = [...directives, ...(maxAge === undefined ? [] : [`max-age=${maxAge}`])].join(', ')
  return { age: String(age), ...(control !== '' && { 'cache-control': control }), ...(etag !== undefined && { etag }) }
}

test('random histories end as those of the model', async () => {
  const step = fc.record({ wait: fc.integer({ min: 0, max: 15 }), reply })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
    const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111' } })
    const model = new Model()
    for (const [index, { wait, reply: next }] of steps.entries()) {
      gateway.clock.time += wait * 1000
      const now = gateway.clock.time / 1000
      const expected = model.lookup(now)
      const exchange = gateway.begin(next.authorized ? { headers: { authorization: 'x' } } : {})
      await settled()
      const [asked] = gateway.asked
      if ('body' in expected) {
        assert.equal(asked, undefined, `step ${index} is a hit`)
        assert.equal((await exchange.outcome).body, expected.body)
        continue
      }
      assert.ok(asked !== undefined, `step ${index} asks the application`)
      assert.equal(asked.plan.etag, expected.ask, `step ${index}`)
      // The application confirms a tag that it still has.
      const confirmed = expected.ask !== undefined && (next.etag === undefined || next.etag === expected.ask)
      const answer: Answer = confirmed ? { status: 304, headers: headersOf(next) } : { headers: headersOf(next), body: `b${index}` }
      asked.answer(answer)
      const { body } = await exchange.outcome
      if (confirmed) {
        assert.equal(body, model.stored?.body, `step ${index} is confirmed`)
        model.confirm(next, now)
      } else {
        assert.equal(body, `b${index}`)
        model.receive(next, body, now)
      }
      await settled()
    }
    await gateway.close()
  }), { numRuns: 300 })
})
