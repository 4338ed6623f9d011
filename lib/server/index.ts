export { createScgiServer, ScgiServer } from './server.ts'
export { scgiServerFactory } from './factory.ts'
export type * from '../../types/server.ts'
