export type * from './exchange.ts'
export type * from './options.ts'
export type * from './request.ts'
export type * from './upstream.ts'
