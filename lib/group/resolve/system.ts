import { lookup } from 'node:dns/promises'
import type { AddressAnswer, Questions, ServiceRecord } from './resolver.ts'

/** The system does not tell how long an answer holds: so many milliseconds. */
const TTL = 30_000

/** Asks the system, /etc/hosts included. */
export class SystemResolver implements Questions {
  async addresses (family: 4 | 6, name: string): Promise<AddressAnswer> {
    const found = await lookup(name, { all: true, family })
    return { hosts: [...new Set(found.map(({ address }) => address))], ttl: TTL }
  }

  async services (name: string): Promise<readonly ServiceRecord[]> {
    throw Object.assign(new Error(`the system knows no services of ${name}`), { code: 'ENODATA' })
  }

  /** What is on its way cannot be ended. */
  cancel (): void {}
}
