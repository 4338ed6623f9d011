import { startRecorder, type Recorder } from '../helpers/recorder.ts'

/** An application whose reply pauses in its midst until `finish` is called: it is in flight. */
export async function startPausing (): Promise<Recorder & { finish (): void }> {
  let finish = (): void => {}
  const told = new Promise<void>(resolve => { finish = resolve })
  const recorder = await startRecorder({
    async answer (exchange) {
      await exchange.write('Content-Length: 10\r\n\r\nhello')
      await told
      await exchange.end('world')
    },
  })
  return Object.assign(recorder, { finish })
}
