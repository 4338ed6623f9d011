import type { Bench } from '../lib/bench.ts'
import type { Section } from '../lib/page.ts'

/** One thing that the bench measures. */
export type Subject = (bench: Bench) => Promise<Section[]>
