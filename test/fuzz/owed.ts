/**
 * What a socket is owed for the frames that were sent on it, as the protocol has it and without a
 * look at the server: each frame that wants an answer gets one, or the socket ends with a code.
 * Answers to frames with a msgSerial are contiguous and in their order (rule 18).
 */

/** A frame or an answer, decoded, of which nothing is known. */
export type Told = Readonly<Record<string, unknown>>

/** Actions of frames whose msgSerial nobody answers, unless the frame is refused. */
const SILENT = new Set([0, 5, 7, 10, 12, 16, 17])
/** Those of frames that have a msgSerial: 0 where it is left out. */
const NUMBERED = new Set([14, 15, 19, 21])
const ENDINGS = new Set([6, 8, 9])

interface Want {
  readonly key: string
  readonly atMs: number
}

interface Numbered {
  readonly msgSerial: number
  readonly atMs: number
  readonly mayBeSilent: boolean
  /** What else the frame wants, which a NACK answers too. */
  readonly key: string | undefined
}

export class Owed {
  #wants: Want[] = []
  #numbered: Numbered[] = []
  /** How many of these may be answered: several, where it cannot be known which one was. */
  #answered = new Set([0])
  /** It said something after which the server may end without a word. */
  #saidGoodbye = false
  #wasToldItsEnd = false
  flaw: string | undefined

  /** The client has sent this; undefined: what is no protocol message. */
  onSent(frame: unknown, nowMs: number): void {
    // What is left out is 0.
    const action = isMap(frame) ? frame.action ?? 0 : undefined
    if (!isMap(frame) || !isCount(action)) {
      this.#wants.push({ key: 'end', atMs: nowMs })
      return
    }
    const msgSerial = NUMBERED.has(action) ? frame.msgSerial ?? 0 : frame.msgSerial
    const isNumbered = isCount(msgSerial)
    const key = wantOf(action, frame, isNumbered)
    if (isNumbered) {
      this.#numbered.push({ msgSerial, atMs: nowMs, mayBeSilent: SILENT.has(action), key })
    }
    if (key !== undefined) this.#wants.push({ key, atMs: nowMs })
    if (action === 5) this.#saidGoodbye = true
  }

  /** The client was told this. */
  onTold(told: Told): void {
    const { action } = told
    const channel = typeof told.channel === 'string' ? told.channel.toWellFormed() : undefined
    if (this.#wasToldItsEnd) this.flaw ??= `told ${action} after its end`
    if (action === 0) this.#got(`beat ${String(told.id).toWellFormed()}`)
    else if (action === 1 || action === 2) this.#onAnswer(told)
    else if (action === 4) this.#got('auth')
    else if (action === 11) this.#gotAll(`attach ${channel}`)
    else if (action === 13 || (action === 9 && channel !== undefined)) {
      this.#gotAll(`attach ${channel}`, `detach ${channel}`)
    } else if (ENDINGS.has(action as number)) this.#onEnding(told)
    else if (![14, 15, 16].includes(action as number)) this.flaw ??= `told an action ${action}`
  }

  /** The server has closed the socket. */
  onClosed(): void {
    if (!this.#wasToldItsEnd && !this.#saidGoodbye) this.flaw ??= 'closed without a word'
  }

  /** What was not answered though it was sent before `byMs`, on a socket that is open. */
  overdue(byMs: number): string | undefined {
    const want = this.#wants.find(({ atMs }) => atMs < byMs)
    if (want !== undefined) return want.key
    const atLeast = Math.max(...this.#answered)
    const numbered = this.#numbered.find(({ atMs, mayBeSilent }, at) =>
      at >= atLeast && !mayBeSilent && atMs < byMs)
    return numbered && `msgSerial ${numbered.msgSerial}`
  }

  #got(key: string): void {
    const at = this.#wants.findIndex((want) => want.key === key)
    if (at >= 0) this.#wants.splice(at, 1)
  }

  /** A channel's end answers everything that was asked of it. */
  #gotAll(...keys: readonly string[]): void {
    this.#wants = this.#wants.filter(({ key }) => !keys.includes(key))
  }

  #onEnding({ action, error }: Told): void {
    this.#wasToldItsEnd = true
    const code = isMap(error) ? error.code : undefined
    if (action !== 8 && !isCount(code)) this.flaw ??= `ended by ${action} without a code`
  }

  #onAnswer({ action, msgSerial, count, error, res }: Told): void {
    if (!isCount(msgSerial) || !isCount(count) || count === 0) {
      this.flaw ??= 'an answer without its numbers'
      return
    }
    if (action === 1 && !(Array.isArray(res) && res.length === count)) {
      this.flaw ??= 'an ACK without its results'
    }
    if (action === 2 && !isMap(error)) this.flaw ??= 'a NACK without its error'
    for (let serial = msgSerial; serial < msgSerial + count; serial++) {
      this.#onAnswered(serial, action === 2)
    }
    const through = Math.min(...this.#answered)
    this.#numbered.splice(0, through)
    this.#answered = new Set([...this.#answered].map((at) => at - through))
  }

  #onAnswered(serial: number, isRefused: boolean): void {
    const answered = new Set<number>()
    let next: Numbered | undefined
    for (const start of this.#answered) {
      for (let at = start; at < this.#numbered.length; at++) {
        next = this.#numbered[at]!
        if (next.msgSerial === serial) {
          answered.add(at + 1)
          if (isRefused && next.key !== undefined) this.#got(next.key)
        }
        if (!next.mayBeSilent) break
      }
    }
    this.#answered = answered
    if (answered.size > 0) return
    this.flaw ??= `an answer to ${serial} where ${next?.msgSerial} is next`
    this.#answered.add(0)
  }
}

/** What a frame wants besides the ACK of its msgSerial. */
function wantOf(action: number, frame: Told, isNumbered: boolean): string | undefined {
  const channel = typeof frame.channel === 'string' ? frame.channel.toWellFormed() : ''
  switch (action) {
    case 0: return typeof frame.id === 'string' ? `beat ${frame.id.toWellFormed()}` : undefined
    case 7: return 'end'
    case 10: return `attach ${channel}`
    case 12: return `detach ${channel}`
    case 14: case 15: return isNumbered ? undefined : 'end'
    case 17: return 'auth'
    default: return undefined
  }
}

export function isMap(value: unknown): value is Told {
  return typeof value === 'object' && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
