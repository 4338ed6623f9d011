export { ScgiDispatcher } from './dispatcher.ts'
export { createUpstreams } from '../group/server-group.ts'
export type * from '../../types/dispatcher.ts'
