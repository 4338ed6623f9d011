import { hash } from 'node:crypto'

export class Script {
  readonly text: string
  readonly sha: string

  constructor (text: string) {
    this.text = text
    this.sha = hash('sha1', text)
  }
}
