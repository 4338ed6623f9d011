/** The arguments with which Node.js runs a file in TypeScript. */
export const TYPESCRIPT = ['--import', new URL('../../scripts/typescript.js', import.meta.url).href]
