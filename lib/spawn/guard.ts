import { spawn, type ChildProcess } from 'node:child_process'
import { PROCESS_MARK } from '../runtime/process-mark.ts'

/** The variable by which every process that was started here, and what it has started, is known. */
export const MARK_VARIABLE = 'FASTIFY_SCGI_OWNER'

// No system tells a process that its parent has died, and one that is killed tells nobody. But the pipes that it holds are closed: a shell
// waits for the end of one, with the list of what is to be ended then. It has a session of its own, so that what is sent to all processes of
// a terminal, or of a group, does not reach it. What there is when it begins comes with its arguments, as the owner may be killed before it
// writes. In a line: '+ PID/SIGNAL/SECONDS', '- PID', 'd DIRECTORY'.
const SCRIPT = `
trap '' HUP INT QUIT TERM
groups=$2
directories=$3
while read -r what rest; do
  case $what in
    +) groups="$groups $rest" ;;
    -) left=; for one in $groups; do [ "\${one%%/*}" = "$rest" ] || left="$left $one"; done; groups=$left ;;
    d) directories="$directories$rest
" ;;
  esac
done
most=0
for one in $groups; do
  signal=\${one#*/}; seconds=\${signal#*/}
  kill -s "\${signal%/*}" -- "\${one%%/*}"
  [ "$seconds" -le "$most" ] || most=$seconds
done
lives () { for one in $groups; do kill -s 0 -- "-\${one%%/*}" && return 0; done; return 1; }
waited=0
while [ "$waited" -lt "\${most}0" ] && lives; do sleep 0.1 || sleep 1; waited=$((waited + 1)); done
for one in $groups; do kill -s KILL -- "-\${one%%/*}"; done
[ -z "$groups" ] || for file in $(grep -lsF "$1" /proc/[0-9]*/environ); do pid=\${file#/proc/}; kill -s KILL -- "\${pid%/environ}"; done
IFS='
'
for one in $directories; do rm -rf -- "$one"; done
`

/** Milliseconds; a shell that has not lived so long cannot live here. */
const SHORT = 1000

interface Entry {
  readonly signal: NodeJS.Signals
  readonly timeout: number
}

/** Ends the processes of this one when it dies in a way in which it cannot do so itself. There is one for all applications of a process. */
class Guard {
  readonly #groups = new Map<number, Entry>()
  readonly #directories = new Set<string>()
  #shell: ChildProcess | undefined

  /** From now on the process, and all of its group, ends with this one. */
  watch (pid: number, entry: Entry): void {
    this.#groups.set(pid, entry)
    if (this.#shell === undefined) this.#start()
    else this.#say(`+ ${lineOf(pid, entry)}`)
  }

  /** It has ended. */
  forget (pid: number): void {
    if (this.#groups.delete(pid)) this.#say(`- ${pid}`)
    this.#rest()
  }

  /** From now on the directory is removed with this process. */
  keep (directory: string): void {
    this.#directories.add(directory)
    if (this.#shell === undefined) this.#start()
    else this.#say(`d ${directory}`)
  }

  /** The directory was removed. */
  drop (directory: string): void {
    this.#directories.delete(directory)
    this.#rest()
  }

  #start (): void {
    const begun = performance.now()
    const groups = [...this.#groups].map(([pid, entry]) => ` ${lineOf(pid, entry)}`).join('')
    const directories = [...this.#directories].map(directory => `${directory}\n`).join('')
    const shell = this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'fastify-scgi', `${MARK_VARIABLE}=${PROCESS_MARK}`, groups, directories], {
      cwd: '/', env: { PATH: process.env['PATH'] ?? '/bin:/usr/bin' }, detached: true, stdio: ['pipe', 'ignore', 'ignore'],
    })
    shell.unref()
    // An error of the pipe is the end of the shell, which is heard anyway.
    shell.stdin.on('error', () => {})
    if ('unref' in shell.stdin && typeof shell.stdin.unref === 'function') shell.stdin.unref()
    const gone = (): void => {
      if (this.#shell !== shell) return
      this.#shell = undefined
      // Somebody has killed it: another takes its place. Where there is no shell, or none that lives, the next process tries again.
      if (performance.now() - begun > SHORT && this.#groups.size > 0) this.#start()
    }
    shell.once('exit', gone)
    shell.once('error', gone)
  }

  #say (line: string): void {
    // A line this short is in the pipe when this returns.
    this.#shell?.stdin?.write(`${line}\n`)
  }

  /** With nothing to end it ends itself. */
  #rest (): void {
    if (this.#groups.size > 0 || this.#directories.size > 0) return
    const shell = this.#shell
    this.#shell = undefined
    shell?.stdin?.end()
  }
}

function lineOf (pid: number, { signal, timeout }: Entry): string {
  return `${pid}/${signal.replace(/^SIG/, '')}/${Math.ceil(timeout / 1000)}`
}

export const guard = new Guard()
