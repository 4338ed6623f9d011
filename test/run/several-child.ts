// A program with several gateways: one that it has closed, and two that the signals are for.
import { runGateway, type GatewayConfig } from '../../lib/run/index.ts'

const [address = ''] = process.argv.slice(2)
const config: GatewayConfig = {
  listen: 0,
  mounts: [address],
  log: { level: 'silent' },
  setup: app => { app.addHook('preClose', async () => { process.stdout.write('closing\n') }) },
}

const first = await runGateway({ listen: 0, log: { level: 'silent' } })
const busy = await runGateway(config)
await runGateway(config)
await first.close()
const [url = ''] = busy.addresses
process.stdout.write(`"Server listening at ${url}"\n`)
