// An application that is stopped while it starts leaves nothing behind.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { OwnApplication } from '../../lib/spawn/application.ts'
import { readSpawn } from '../../lib/spawn/options.ts'
import { tempDir } from '../helpers/temp.ts'

for (const socket of ['stdin', 'path', 'port'] as const) {
  for (const when of ['at once', 'when its directory is there'] as const) {
    if (socket !== 'stdin' && when !== 'at once') continue
    test(`${socket}, ${when}`, { timeout: 60_000 }, async () => {
      await using dir = await tempDir()
      const before = process.env['TMPDIR']
      process.env['TMPDIR'] = dir.path
      const pids: number[] = []
      const application = new OwnApplication('spawn', readSpawn('spawn', { command: 'sleep', args: ['1000'], socket }), {
        onServers () {},
        onProcess: ({ pid, state }) => { if (state === 'started') pids.push(pid) },
        onOutput () {},
      })
      try {
        const starting = application.start().then(() => 'started', (error: unknown) => error)
        if (when !== 'at once') while (readdirSync(dir.path).length === 0) await setImmediate()
        await application.stop()
        assert.deepEqual(readdirSync(dir.path), [])
        const end = await starting
        assert.ok(end instanceof Error)
        assert.match(end.message, /sleep 1000.*it was stopped while it started/)
        assert.deepEqual(pids, [])
        assert.deepEqual(application.processes, [])
        assert.deepEqual(readdirSync(dir.path), [])
      } finally {
        await application.stop()
        if (before === undefined) delete process.env['TMPDIR']
        else process.env['TMPDIR'] = before
      }
    })
  }
}
