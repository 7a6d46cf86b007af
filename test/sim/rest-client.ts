/**
 * A client without a connection: everything it wants it asks for by requests, of any worker. Some
 * of what it asks is nonsense, and must be answered as that.
 */

import type { Random } from '../../src/base/random.ts'
import type { RawRequest } from '../../src/node/request.ts'
import type { Answer } from './exchanges.ts'
import { KEY, type Region } from './region.ts'
import { Violation } from './world.ts'

const ASK_MS = 700

/** A request with what it must be answered: a status, and the code of an error. */
type Row = readonly [
  method: string, target: string, status: number, code?: number,
  headers?: Readonly<Record<string, string>>
]

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const basic = (key: string): string => `Basic ${base64(key)}`

const NONSENSE: readonly Row[] = [
  ['GET', '/time', 200],
  ['GET', '/time?envelope=json', 200],
  ['GET', '/time', 200, undefined, { accept: 'application/x-msgpack' }],
  ['GET', '/nowhere', 404, 40400],
  ['GET', '/', 404, 40400],
  ['GET', '/%zz', 400, 40000],
  ['PUT', '/time', 405, 40500],
  ['GET', '/time', 400, 40017, { 'x-ably-version': '1.2' }],
  ['GET', '/time?v=9', 400, 40017]
]

export class RestClient {
  readonly name: string
  readonly #region: Region
  readonly #random: Random
  #isOn = true
  /** Requests that have no answer yet. */
  openCount = 0

  constructor(region: Region, name: string) {
    this.name = name
    this.#region = region
    this.#random = region.world.fork(`rest ${name}`)
    this.#liveOn()
  }

  /** It asks nothing any more. */
  stop(): void {
    this.#isOn = false
  }

  #liveOn(): void {
    this.#region.world.after(this.#random.jitter(ASK_MS, 0.9), () => {
      if (!this.#isOn) return
      this.#askNonsense()
      this.#liveOn()
    })
  }

  #askNonsense(): void {
    const row = NONSENSE[this.#random.below(NONSENSE.length)]!
    const [method, target, status, code, headers = {}] = row
    this.#ask({ method, target, headers }, (answer) => {
      if (answer === undefined || answer.status >= 500) return
      const isIt = answer.status === status && answer.value?.error?.code === code
      if (isIt) return
      throw new Violation('requests',
        `${method} ${target} is answered ${answer.status} ${JSON.stringify(answer.value)}`)
    })
  }

  #ask(request: Partial<RawRequest>, onAnswer: (answer: Answer | undefined) => void): void {
    this.openCount++
    const headers = { authorization: basic(KEY), ...request.headers }
    const whole = {
      method: 'GET', target: '/', body: undefined, isTls: false, ...request, headers
    }
    this.#region.ask(whole, (answer) => {
      this.openCount--
      onAnswer(answer)
    })
  }
}
