// Runs TypeScript: `node --import ./scripts/typescript.js file.ts`.
import { register } from 'node:module'
process.setSourceMapsEnabled(true)
register('./typescript-hooks.js', import.meta.url)
