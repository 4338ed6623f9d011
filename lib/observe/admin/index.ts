import { admin } from './plugin.ts'

export { admin, admin as default }
export type { AdminOptions } from '../../../types/admin.ts'
