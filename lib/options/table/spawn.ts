import { constants } from 'node:os'
import { count, object, ofRoom, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'

/** More are a mistake: each is a process of the system. */
export const MOST_PROCESSES = 1000

const processes = (least: number): ReturnType<typeof count> =>
  count(least, `an integer of ${least} to ${MOST_PROCESSES}`, MOST_PROCESSES)

export const PROCESSES = {
  min: row(processes(1), { default: 1, directives: ['lighttpd: min-procs'], doc: 'processes that always run' }),
  max: row(processes(1), { required: true, directives: ['lighttpd: max-procs'], doc: 'maximum number of processes under load' }),
  idleTimeout: row(time(1), { default: '60s', directives: ['lighttpd: idle-timeout'], doc: 'idle time after which a process beyond `min` is stopped' }),
} satisfies Rows

const RESTART = {
  delay: row(time(1), { default: '100ms', doc: 'delay before a restart; it doubles while processes end soon after their start' }),
  maxDelay: row(time(1), { otherwise: '30s', doc: 'longest delay before a restart' }),
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
    default: 'SIGTERM', directives: ['lighttpd: kill-signal'], doc: 'signal that asks a process to end',
  }),
  timeout: row(time(), { default: '5s', doc: 'time after which it is killed, with every process that it has started' }),
} satisfies Rows

/** Of `spawn` of a server. */
export const SPAWN = {
  command: row(text(/^[^\0]+$/, 'the path or the name of a program'), {
    required: true, directives: ['lighttpd: bin-path'], doc: 'the program: a path, relative to `cwd`, or a name that is looked up in PATH',
  }),
  args: row(ofRoom(['list']), { otherwise: 'none', doc: 'its arguments; `{socket}` and `{port}` are replaced by where it should listen' }),
  cwd: row(text(/^[^\0]+$/, 'the path of a directory'), { otherwise: 'that of the gateway', doc: 'its working directory' }),
  env: row(ofRoom(['object']), {
    otherwise: 'none', directives: ['lighttpd: bin-environment'], doc: 'environment variables, added to those of the gateway; `undefined` removes one',
  }),
  user: row(ofRoom(['text', 'number']), { otherwise: 'that of the gateway', directives: ['spawn-fcgi: -u'], doc: 'user it runs as, if the gateway runs as root' }),
  group: row(ofRoom(['text', 'number']), {
    otherwise: 'that of `user`', directives: ['spawn-fcgi: -g'], doc: 'group it runs as, if the gateway runs as root',
  }),
  socket: row(word(['stdin', 'path', 'port']), {
    default: 'stdin', doc: 'how it receives requests: [descriptor 0, or its own socket or port](spawn.md#where-it-listens)',
  }),
  processes: row(ofRoom(['count', 'object'], PROCESSES), {
    default: 1, short: ['min', 'max'], directives: ['lighttpd: min-procs, max-procs', 'spawn-fcgi: -F'], doc: 'number of processes: [processes](spawn.md#how-many)',
  }),
  restart: row(object(RESTART, '{ delay, maxDelay }'), { otherwise: '', doc: 'when a process that has ended is restarted: [crashes](spawn.md#crashes)' }),
  readyTimeout: row(time(1), { default: '30s', doc: "time in which it must listen, with `'path'` and `'port'` only: with `'stdin'` it listens from the start" }),
  stop: row(object(STOP, '{ signal, timeout }'), { otherwise: '', doc: 'how it is stopped: [the end](spawn.md#the-end)' }),
} satisfies Rows
