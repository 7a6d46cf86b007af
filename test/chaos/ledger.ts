/**
 * What was promised and what was seen: every publish with its answer, every delivery, and every
 * word about continuity. It judges once, at the end, after a calm in which everything that was
 * acknowledged must have arrived at every subscriber exactly once and in one order; and where it is
 * persisted, in history.
 */

/** One publish, from its publisher's call on. */
export interface Sent {
  readonly key: number
  readonly channel: string
  readonly publisher: string
  readonly sentAtMs: number
  /** The fault under way when it was sent. */
  readonly during: string
  ackedAtMs: number | undefined
  /** As its acknowledgement said. */
  serial: string | undefined
  refusal: string | undefined
  /** What subscribers were shown of it: one, or it is repeated. */
  readonly copies: Copy[]
}

interface Copy {
  readonly id: string
  readonly serial: string
}

/** What one subscriber saw of one channel, in order. */
interface Sight {
  readonly keys: number[]
  readonly ids: Set<string>
  readonly unique: Set<number>
  lastSerial: string
  readonly lastOf: Map<string, number>
  attachCount: number
}

export interface Flaw {
  readonly kind: FlawKind
  readonly text: string
}

export type FlawKind =
  | 'lost'
  | 'repeated'
  | 'reordered'
  | 'refused though committed'
  | 'never answered'
  | 'continuity falsely lost'
  | 'changed'
  | 'stood still'

/** What is worth knowing and no flaw. */
export interface Counts {
  sent: number
  acknowledged: number
  refused: number
  delivered: number
  /** Read from history, at the end. */
  remembered: number
  resumedAttaches: number
}

/** What a client, or history, has of a publish. */
export interface Shown {
  readonly key: number
  readonly id: string
  readonly serial: string
}

/** Among those who are shown what is published: the history of channels that are persisted. */
const HISTORY = 'history'

export class Ledger {
  readonly counts: Counts = {
    sent: 0, acknowledged: 0, refused: 0, delivered: 0, remembered: 0, resumedAttaches: 0
  }
  /** The name of the fault under way. */
  during = 'calm'
  readonly #sent = new Map<number, Sent>()
  readonly #sights = new Map<string, Map<string, Sight>>()
  readonly #connectionIds = new Map<string, string>()
  readonly #flaws: Flaw[] = []
  #unansweredCount = 0

  get unansweredCount(): number {
    return this.#unansweredCount
  }

  flaw(kind: FlawKind, text: string): void {
    this.#flaws.push({ kind, text: `[${this.during}] ${text}` })
  }

  sent(key: number, channel: string, publisher: string, atMs: number): Sent {
    const sent: Sent = {
      key, channel, publisher, sentAtMs: atMs, during: this.during, ackedAtMs: undefined,
      serial: undefined, refusal: undefined, copies: []
    }
    this.#sent.set(key, sent)
    this.counts.sent++
    this.#unansweredCount++
    return sent
  }

  acknowledged(sent: Sent, serial: string | undefined, atMs: number): void {
    sent.ackedAtMs = atMs
    sent.serial = serial
    this.counts.acknowledged++
    this.#unansweredCount--
  }

  refused(sent: Sent, reason: string): void {
    sent.refusal = reason
    this.counts.refused++
    this.#unansweredCount--
  }

  /** The publish that was delivered, unless nobody ever sent it. */
  delivered(subscriber: string, channel: string, shown: Shown): Sent | undefined {
    this.counts.delivered++
    return this.#show(subscriber, channel, shown)
  }

  /** All that a channel's history has, in order; to be told once, after the calm. */
  remembered(channel: string, all: readonly Shown[]): void {
    this.#sightOf(HISTORY, channel)
    this.counts.remembered += all.length
    for (const shown of all) this.#show(HISTORY, channel, shown)
  }

  #show(
    subscriber: string, channel: string, { key, id, serial }: Shown
  ): Sent | undefined {
    const sent = this.#sent.get(key)
    const who = `${subscriber} on ${channel}`
    if (sent === undefined || sent.channel !== channel) {
      this.flaw('changed', `${who} was shown ${key}, which nobody published there`)
      return undefined
    }
    const sight = this.#sightOf(subscriber, channel)
    if (sight.ids.has(id)) {
      this.flaw('repeated', `${who} was shown ${id} (${wordsOf(sent)}) twice`)
      return sent
    }
    sight.ids.add(id)
    if (serial <= sight.lastSerial) {
      this.flaw('reordered', `${who} was shown ${serial} after ${sight.lastSerial}`)
    }
    sight.lastSerial = serial
    sight.keys.push(key)
    this.#noteCopy(who, sent, id, serial)
    if (sight.unique.has(key)) return sent
    sight.unique.add(key)
    const last = sight.lastOf.get(sent.publisher) ?? -1
    if (key <= last) {
      this.flaw('reordered', `${who} was shown ${wordsOf(sent)} after number ${last}`)
    }
    sight.lastOf.set(sent.publisher, Math.max(key, last))
    return sent
  }

  /** An ATTACHED, the first one or any other. */
  attached(subscriber: string, channel: string, isResumed: boolean, reason: string): void {
    const sight = this.#sightOf(subscriber, channel)
    if (sight.attachCount++ === 0) return
    if (isResumed) this.counts.resumedAttaches++
    else this.continuityLost(subscriber, channel, `ATTACHED without RESUMED (${reason})`)
  }

  /** Whatever else tells a subscriber that it may have missed something. */
  continuityLost(subscriber: string, channel: string, how: string): void {
    this.flaw('continuity falsely lost', `${subscriber} on ${channel}: ${how}`)
  }

  connected(client: string, connectionId: string): void {
    const former = this.#connectionIds.get(client)
    this.#connectionIds.set(client, connectionId)
    if (former === undefined || former === connectionId) return
    this.flaw('continuity falsely lost', `${client} is ${connectionId} now, was ${former}`)
  }

  /** Whether this subscriber has seen everything that was acknowledged. */
  hasAll(subscriber: string): boolean {
    for (const sent of this.#sent.values()) {
      if (sent.ackedAtMs !== undefined && !this.#hasSeen(subscriber, sent)) return false
    }
    return true
  }

  /** To be asked once, after the calm; what comes later, as clients are closed, is not in it. */
  judge(): readonly Flaw[] {
    for (const sent of this.#sent.values()) this.#judge(sent)
    this.#judgeOrder()
    return [...this.#flaws]
  }

  #judge(sent: Sent): void {
    const { copies, ackedAtMs, refusal, serial } = sent
    const words = wordsOf(sent)
    if (ackedAtMs === undefined && refusal === undefined) {
      this.#flaws.push({ kind: 'never answered', text: words })
    }
    if (refusal !== undefined && copies.length > 0) {
      this.#flaws.push({ kind: 'refused though committed', text: `${words}: ${refusal}` })
    }
    if (copies.length > 1) {
      const ids = copies.map(({ id }) => id).join(', ')
      this.#flaws.push({ kind: 'repeated', text: `${words} is there as ${ids}` })
    }
    if (ackedAtMs === undefined) return
    const missing = this.#watchersOf(sent.channel).filter((each) => !this.#hasSeen(each, sent))
    if (missing.length > 0) {
      const text = `${words}, acknowledged, was not shown to ${missing.join(', ')}`
      this.#flaws.push({ kind: 'lost', text })
    } else if (serial === undefined || !copies.some((copy) => copy.serial === serial)) {
      const shown = copies.map((copy) => copy.serial).join(', ')
      this.#flaws.push({ kind: 'changed', text: `${words} was ${serial}, shown as ${shown}` })
    }
  }

  /** All saw the same in the same order, what was never acknowledged too. */
  #judgeOrder(): void {
    const [first] = this.#sights.keys()
    if (first === undefined) return
    for (const [channel, { keys }] of this.#sights.get(first)!) {
      for (const other of this.#watchersOf(channel)) {
        const theirs = this.#sightOf(other, channel).keys
        const at = keys.findIndex((key, index) => theirs[index] !== key)
        const isSame = at < 0 && keys.length === theirs.length
        if (isSame) continue
        const index = at < 0 ? keys.length : at
        const [here, there] = [keys[index], theirs[index]].map((key) => this.#words(key))
        const text = `${channel}: as number ${index}, ${first} saw ${here}, ${other} ${there}`
        this.#flaws.push({ kind: 'reordered', text })
      }
    }
  }

  #noteCopy(who: string, sent: Sent, id: string, serial: string): void {
    const known = sent.copies.find((copy) => copy.id === id)
    if (known === undefined) sent.copies.push({ id, serial })
    else if (known.serial !== serial) {
      this.flaw('changed', `${who} was shown ${id} as ${serial}, others as ${known.serial}`)
    }
  }

  /** Who must have seen what was acknowledged there. */
  #watchersOf(channel: string): readonly string[] {
    return [...this.#sights.keys()].filter((each) =>
      each !== HISTORY || this.#sights.get(HISTORY)!.has(channel))
  }

  #hasSeen(subscriber: string, { channel, key }: Sent): boolean {
    return this.#sights.get(subscriber)?.get(channel)?.unique.has(key) === true
  }

  #words(key: number | undefined): string {
    const sent = key === undefined ? undefined : this.#sent.get(key)
    return sent === undefined ? 'nothing' : wordsOf(sent)
  }

  #sightOf(subscriber: string, channel: string): Sight {
    let channels = this.#sights.get(subscriber)
    if (channels === undefined) this.#sights.set(subscriber, channels = new Map())
    let sight = channels.get(channel)
    if (sight === undefined) {
      sight = {
        keys: [], ids: new Set(), unique: new Set(), lastSerial: '', lastOf: new Map(),
        attachCount: 0
      }
      channels.set(channel, sight)
    }
    return sight
  }
}

function wordsOf({ key, channel, publisher, during, sentAtMs, copies }: Sent): string {
  const at = (sentAtMs / 1_000).toFixed(3)
  const ids = copies.length === 0 ? '' : `, ${copies.map(({ id }) => id).join(' and ')}`
  return `number ${key} of ${publisher} on ${channel} (sent at ${at} s, ${during}${ids})`
}
