export { ScgiDispatcher } from './dispatcher.ts'
export { createUpstreams } from '../upstream/server-group.ts'
export type * from '../../types/dispatcher.ts'
