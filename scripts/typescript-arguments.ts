/** The arguments with which Node.js runs a file in TypeScript. */
export const TYPESCRIPT = ['--import', new URL('typescript.js', import.meta.url).href]
