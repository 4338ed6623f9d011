import { constants } from 'node:os'
import { count, object, ofRoom, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'

/** More are a mistake: each is a process of the system. */
export const MOST_PROCESSES = 1000

const processes = (least: number): ReturnType<typeof count> =>
  count(least, `an integer of ${least} to ${MOST_PROCESSES}`, MOST_PROCESSES)

export const PROCESSES = {
  min: row(processes(1), { default: 1, directives: ['lighttpd: min-procs'], doc: 'run always' }),
  max: row(processes(1), { required: true, directives: ['lighttpd: max-procs'], doc: 'the most that load starts' }),
  idleTimeout: row(time(1), { default: '60s', directives: ['lighttpd: idle-timeout'], doc: 'one beyond `min` that was not needed for so long ends' }),
} satisfies Rows

const RESTART = {
  delay: row(time(1), { default: '100ms', doc: 'time until it starts again; it doubles while processes end soon after their start' }),
  maxDelay: row(time(1), { otherwise: '30s', doc: 'the longest such time' }),
} satisfies Rows

function signalNames (): NodeJS.Signals[] {
  const names: NodeJS.Signals[] = []
  for (const name in constants.signals) if (isSignal(name)) names.push(name)
  return names
}

function isSignal (name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}

const STOP = {
  signal: row(word(signalNames(), "the name of a signal, such as 'SIGTERM' or 'SIGINT'"), {
    default: 'SIGTERM', directives: ['lighttpd: kill-signal'], doc: 'what asks it to end',
  }),
  timeout: row(time(), { default: '5s', doc: 'time until it, and every process it has started, is killed' }),
} satisfies Rows

/** Of `spawn` of a server. */
export const SPAWN = {
  command: row(text(/^[^\0]+$/, 'the path or the name of a program'), {
    required: true, directives: ['lighttpd: bin-path'], doc: 'the program: a path, relative to `cwd`, or a name that is looked for in PATH',
  }),
  args: row(ofRoom(['list']), { otherwise: 'none', doc: 'its arguments; `{socket}` and `{port}` are where it is to listen' }),
  cwd: row(text(/^[^\0]+$/, 'the path of a directory'), { otherwise: 'that of the gateway', doc: 'its working directory' }),
  env: row(ofRoom(['object']), {
    otherwise: 'none', directives: ['lighttpd: bin-environment'], doc: 'variables of its environment, over those of the gateway; `undefined` takes one away',
  }),
  user: row(ofRoom(['text', 'number']), { otherwise: 'that of the gateway', directives: ['spawn-fcgi: -u'], doc: 'the user it runs as, where root starts it' }),
  group: row(ofRoom(['text', 'number']), {
    otherwise: 'that of `user`', directives: ['spawn-fcgi: -g'], doc: 'the group it runs as, where root starts it',
  }),
  socket: row(word(['stdin', 'path', 'port']), {
    default: 'stdin', doc: 'how it gets its requests: [descriptor 0, a socket or a port of its own](spawn.md#where-it-listens)',
  }),
  processes: row(ofRoom(['count', 'object'], PROCESSES), {
    default: 1, directives: ['lighttpd: min-procs, max-procs', 'spawn-fcgi: -F'], doc: 'how many run: [processes](spawn.md#how-many)',
  }),
  restart: row(object(RESTART, '{ delay, maxDelay }'), { otherwise: '', doc: 'when one that has ended starts again: [crashes](spawn.md#crashes)' }),
  readyTimeout: row(time(1), { default: '30s', doc: "time in which it has to listen; with `'stdin'` it listens from its start" }),
  stop: row(object(STOP, '{ signal, timeout }'), { otherwise: '', doc: 'how it is ended: [the end](spawn.md#the-end)' }),
} satisfies Rows
