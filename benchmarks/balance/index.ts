// How well the balancing methods balance: a simulation with fixed seeds, without sockets.
//   node --import ./scripts/typescript.js benchmarks/balance/index.ts [--write]
import { writeFileSync } from 'node:fs'
import { describeMachine } from '../lib/machine.ts'
import { distribution } from './distribution.ts'
import { movedKeys } from './moved-keys.ts'
import { recovery } from './recovery.ts'
import { slowServer } from './slow-server.ts'
import { page } from './page.ts'

const began = performance.now()
const text = page({
  machine: describeMachine(),
  distribution: distribution(1_000_000),
  movedKeys: movedKeys(100_000, 20),
  slowServer: slowServer(200_000),
  recovery: recovery(100_000),
})
console.log(text)
console.error(`${((performance.now() - began) / 1000).toFixed(1)} s`)
if (process.argv.includes('--write')) writeFileSync(new URL('./README.md', import.meta.url), text)
