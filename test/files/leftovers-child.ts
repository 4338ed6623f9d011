// A process that is to be killed between the making of temporary files and the moment in which they lose their names.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [tempPath = '', root = ''] = process.argv.slice(2)
fs.unlink = Object.assign(() => { process.stdout.write('opened\n') }, { __promisify__: fs.unlink.__promisify__ })
syncBuiltinESMExports()

const { openTempFile } = await import('../../lib/files/temp-file.ts')
const { compileStore } = await import('../../lib/mirror/store.ts')
const { makeOwnDirectory } = await import('../../lib/files/leftovers.ts')

makeOwnDirectory('demo-')
for (const place of [
  { path: undefined, make: false, levels: [] },
  { path: tempPath, make: true, levels: [] },
  { path: `${tempPath}/levels`, make: true, levels: [1, 2] },
]) openTempFile(place, () => {})
const file = compileStore({ root }).begin({}, '/page', { statusCode: 200, headers: {} })
file?.write(Buffer.from('begun'), () => process.stdout.write('opened\n'))
setInterval(() => {}, 1000)
