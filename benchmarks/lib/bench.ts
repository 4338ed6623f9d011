import type { Origins } from '../peers/peer.ts'
import type { Box } from './box.ts'
import type { LoadGenerator, LoadOptions } from './load.ts'
import type { Cores } from './machine.ts'
import type { BenchOptions } from './options.ts'

/** All that a run needs. */
export interface Bench {
  readonly box: Box
  readonly options: BenchOptions
  readonly origins: Origins
  readonly cores: Cores
  readonly generator: LoadGenerator
  readonly load: LoadOptions
}

/** Says what is being done. */
export function note (text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
}
