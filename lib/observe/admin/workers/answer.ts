import { agesHere, entriesHere } from '../api/entries.ts'
import { isQuestion, type Question, type Told } from './told.ts'
import type { Cache } from '../../../../types/cache.ts'

/** What is asked. */
interface Asked {
  readonly caches: readonly Cache[]
  now (): number
  told (history: number): Told
  resetHere (reset: Extract<Question, { what: 'reset' }>): void
}

/** Answers another worker; `undefined` where there is nothing to tell. */
export async function answerQuestion (asked: Asked, question: unknown): Promise<unknown> {
  if (!isQuestion(question)) return undefined
  if (question.what === 'state') return asked.told(question.history)
  if (question.what === 'reset') {
    asked.resetHere(question)
    return true
  }
  const cache = asked.caches.find(({ name }) => name === question.cache)
  if (cache === undefined) return undefined
  if (question.what === 'purge') return await cache.purge(question.match, { soft: question.soft, here: true })
  if (question.what === 'ages') return await agesHere(cache, asked.now())
  return await entriesHere(cache, question, asked.now())
}
