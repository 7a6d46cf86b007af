/**
 * The log is the only truth (rules 3, 9, 19, 26): what a socket is shown of a channel is a
 * contiguous stretch of the channel's committed publishes, each once, in order; it begins where
 * the attachment says; and where something may be missing that is said, and only there.
 */

import { limits } from '../../../src/base/limits.ts'
import { channelKey } from '../app.ts'
import { RESUMED } from '../clients.ts'
import { type Committed, eventWords } from '../committed.ts'
import type { Ledger } from '../ledger.ts'
import { shownIn } from '../presence-map.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, HAS_BACKLOG, isDerived, META, type Point, pointOf, type Wire } from '../wire.ts'
import { Violation, type World } from '../world.ts'
import {
  hearsSome, isVisible, modesOf, rewindCountOf, textsFor, type View
} from './channel-view.ts'
import type { Check } from './check.ts'
import { RETENTION_SLACK, wasLetGo, whyLetGo } from './retention.ts'
import { archivedBefore, Rewinding } from './rewinding.ts'

/** The channels of the namespace whose messages are told together. */
const TOGETHER = 'app/together:'

export class Continuity implements Check {
  readonly #ledger: Ledger
  readonly #region: Region
  readonly #world: World
  readonly #sockets = new Map<SimSocket, Map<string, View>>()
  shownCount = 0
  rewoundCount = 0
  lossCount = 0
  lossRewoundCount = 0
  resumedCount = 0
  quietCount = 0

  constructor(region: Region) {
    this.#region = region
    this.#ledger = region.ledger
    this.#world = region.world
  }

  onClientSays(socket: SimSocket, message: Wire): void {
    const { action, channel, channelSerial, params, flags = 0 } = message
    let views = this.#sockets.get(socket)
    if (action === Does.AUTH) for (const view of views?.values() ?? []) view.mayChange = true
    if (action === Does.DETACH) this.#mayEnd(views?.get(channel!), true)
    if (action !== Does.ATTACH) return
    if (views === undefined) {
      views = new Map()
      this.#sockets.set(socket, views)
    }
    const former = views.get(channel!)
    const wish = JSON.stringify([modesOf(flags), params])
    if (former?.at !== undefined && former.wish !== wish) {
      // Who asks for something else goes on from what it was shown last, whatever it says.
      former.mayChange = true
      former.wish = wish
      return
    }
    // One who waited too long asks again, and may be told of the first while that is on its way.
    const asked = channelSerial === undefined ? former?.at ?? null : pointOf(channelSerial)
    const rewindCount = former?.at !== undefined ? 0 : rewindCountOf(params)
    const isAskedAgain = former !== undefined && (former.at === undefined || former.isOwed)
    views.set(channel!, { asked, at: undefined, modes: 0, isDerived: isDerived(channel!),
      rewindCount, rewinding: undefined, mayChange: false, wish, isAskedAgain,
      isOwed: false })
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    const view = this.#sockets.get(socket)?.get(message.channel ?? '')
    switch (message.action) {
      case Does.ATTACHED:
        this.#onAttached(socket, view, message)
        return
      case Does.MESSAGE:
      case Does.PRESENCE:
        this.#onMessage(socket, view, message)
        return
      case Does.DETACHED:
        if (view?.isAskedAgain === true) this.#mayEnd(view)
        else this.#sockets.get(socket)?.delete(message.channel ?? '')
        return
      case Does.ERROR:
        this.#sockets.get(socket)?.delete(message.channel ?? '')
    }
  }

  onSocketGone(socket: SimSocket): void {
    this.#sockets.delete(socket)
  }

  missing(): string[] {
    const missing: string[] = []
    for (const [socket, views] of this.#sockets) {
      if (!socket.isOpen) continue
      for (const [channel, view] of views) {
        const who = `${socket.client.name} on ${channel}`
        if (view.at === undefined) {
          missing.push(`${who} is not attached`)
          continue
        }
        if (view.rewinding instanceof Rewinding) missing.push(`${who} was not rewound`)
        const key = channelKey(channel)
        // What the log has lost shows when it is written again, or never.
        if (this.#ledger.isLost(key, view.at)) continue
        const lineage = this.#ledger.lineageOf(key)
        const isBehind = lineage !== view.at.lineage && this.#ledger.of(lineage, key).length > 0
        const next = this.#nextVisible(socket, key, view.at, view)
        if (isBehind) missing.push(`${who} stands in a former lineage`)
        else if (next !== undefined) missing.push(`${who} was not shown ${words(next)}`)
      }
    }
    return missing
  }

  /** What ends it next is the last that it is told. */
  #mayEnd(view: View | undefined, isOwed = view?.isOwed): void {
    if (view !== undefined) Object.assign(view, { isAskedAgain: false, isOwed })
  }

  #onAttached(socket: SimSocket, view: View | undefined, message: Wire): void {
    const who = `${socket.client.name} (${socket.id}) on ${message.channel}`
    if (view === undefined) throw new Violation('continuity', `${who} is attached unasked`)
    if (message.channelSerial === undefined) {
      throw new Violation('continuity', `${who} is attached nowhere`)
    }
    const key = channelKey(message.channel!)
    const to = pointOf(message.channelSerial)
    this.#mustBeCommitted(who, key, to)
    const flags = message.flags ?? 0
    const isResumed = (flags & RESUMED) !== 0
    const { asked, at, mayChange } = view
    const before = { ...view }
    view.modes = flags
    view.asked = undefined
    view.at = to
    this.#mayEnd(view)
    const isChange = asked === undefined && at !== undefined && isResumed && mayChange
    const isSame = asked === undefined && at !== undefined && isResumed && modesOf(flags) ===
      modesOf(before.modes)
    if (isChange) this.#onChanged(who, key, this.#nextVisible(socket, key, at, before), at, to)
    else if (isSame) this.#onQuiet(who, socket, key, before, at, to)
    else if (asked === undefined) this.#onLossTold(who, key, at, isResumed, message)
    else if (asked !== null && isResumed) this.#onResumed(who, socket, key, asked, view)
    else if (asked !== null) this.#onBegunAnew(who, socket, asked, view, message)
    else if (isResumed) throw new Violation('continuity', `${who} resumes what it never had`)
    else this.#onBegun(who, socket, key, view, (flags & HAS_BACKLOG) !== 0)
  }

  /** It cannot go on from where it wanted, and is told what it rewinds to. */
  #onBegunAnew(who: string, socket: SimSocket, asked: Point, view: View, message: Wire): void {
    const { channel, flags = 0 } = message
    const key = channelKey(channel!)
    const hasBacklog = (flags & HAS_BACKLOG) !== 0
    this.#onNotResumed(who, key, asked, message)
    if (hasBacklog) this.lossRewoundCount++
    this.#onBegun(who, socket, key, view, hasBacklog)
  }

  /** It begins anew, and is told what it rewinds to. */
  #onBegun(who: string, socket: SimSocket, key: string, view: View, hasBacklog: boolean): void {
    const { rewindCount } = view
    const at = view.at!
    // What a log had before it lost it may be shown or not.
    if (this.#ledger.isLost(key, at) || this.#ledger.hasStrays(key)) {
      view.rewinding = hasBacklog ? 'doubtful' : undefined
      return
    }
    const all = this.#ledger.of(at.lineage, key).filter(({ seq }) => seq <= at.seq)
    const former = archivedBefore(this.#region, key, at.lineage)
    const rewinding = new Rewinding([...former, ...all], rewindCount, at, view.isDerived, (each) =>
      isVisible(each, socket, view))
    if (hasBacklog) {
      if (rewinding.isOver) throw new Violation('rewind', `${who} is told of a backlog of nothing`)
      view.rewinding = rewinding
    } else {
      this.#mayLeaveOut(who, key, rewinding)
    }
  }

  #mayLeaveOut(who: string, key: string, { leftOut, at }: Rewinding): void {
    if (leftOut === undefined) return
    const { lineage, seq, entry, epoch } = leftOut
    // What only the archive has need not be told, where that does not answer.
    if (lineage !== at.lineage) return
    const before = { lineage, epoch, seq: seq - 1, entry: entry - 1 }
    if (this.#excuse(key, before) !== undefined) return
    throw new Violation('rewind', `${who} is not told ${words(leftOut)}, which it rewinds to`)
  }

  #onRewound(
    who: string,
    key: string,
    view: View,
    rewinding: Rewinding,
    texts: readonly string[],
    to: Point
  ): void {
    const problem = rewinding.show(texts, to)
    if (problem !== undefined) throw new Violation('rewind', `${who} ${problem}`)
    this.#mayLeaveOut(who, key, rewinding)
    if (!rewinding.isOver) return
    this.rewoundCount++
    view.rewinding = undefined
  }

  /** Unasked, with other modes: it goes on from where it stands, and nothing is left out. */
  #onChanged(
    who: string, key: string, next: Committed | undefined, at: Point, to: Point
  ): void {
    if (to.lineage !== at.lineage || (next !== undefined && next.seq <= to.seq)) {
      throw new Violation('continuity', `${who} is given other modes past what it should be shown`)
    }
    if (to.seq < at.seq && !this.#ledger.isLost(key, at)) {
      throw new Violation('continuity', `${who} goes back from ${at.seq} to ${to.seq}, unasked`)
    }
  }

  /** Unasked, while attached: continuity is lost, and must have been in danger. */
  #onLossTold(
    who: string,
    key: string,
    at: Point | undefined,
    isResumed: boolean,
    message: Wire
  ): void {
    if (at === undefined || isResumed) {
      throw new Violation('continuity', `${who} is attached twice`)
    }
    this.#onNotResumed(who, key, at, message)
  }

  #onResumed(who: string, socket: SimSocket, key: string, asked: Point, view: View): void {
    const to = view.at!
    this.resumedCount++
    if (to.lineage !== asked.lineage) {
      throw new Violation('continuity', `${who} resumes in another lineage`)
    }
    if (to.seq < asked.seq) throw new Violation('continuity', `${who} resumes in the past`)
    // Who hears nothing misses nothing.
    if (this.#ledger.isLost(key, asked) && hearsSome(view)) {
      // Nobody can know before something is written again; whoever goes on then is told.
      if (this.#ledger.isLost(key, to)) return
      throw new Violation('continuity', `${who} resumes from what the log has lost`)
    }
    const next = this.#nextVisible(socket, key, asked, view)
    if (next !== undefined && next.seq <= to.seq) {
      throw new Violation('continuity', `${who} resumes from ${to.seq} past ${words(next)}`)
    }
  }

  #onNotResumed(who: string, key: string, from: Point, message: Wire): void {
    this.lossCount++
    if (message.error === undefined) {
      throw new Violation('continuity', `${who} loses continuity and is not told`)
    }
    const reason = this.#excuse(key, from)
    if (reason === undefined) {
      throw new Violation('continuity', `${who} is told of a loss after ${from.lineage}:` +
        `${from.seq}, though nothing was lost: ${JSON.stringify(message.error)}`)
    }
    this.#world.note(`${who} loses continuity: ${reason}`)
  }

  /** Why continuity from this point may be lost, or undefined. */
  #excuse(key: string, from: Point): string | undefined {
    const lineage = this.#ledger.lineageOf(key)
    if (from.lineage !== lineage) return 'another lineage'
    if (this.#ledger.isLost(key, from)) return 'the log has lost it'
    // Its attachment may stand further on: not all that is delivered is for it to see.
    if (this.#ledger.hasLostAfter(key, from)) return 'the log has lost what came after it'
    if (this.#ledger.hasStrays(key)) return 'a former master wrote, and a new lineage will follow'
    if (wasLetGo(this.#region, lineage, key, from.seq)) return 'it was let go meanwhile'
    const isSaid = this.#ledger.at(lineage, key, from.seq) !== undefined
    if (this.#region.abroad !== undefined && !isSaid) return 'another region may not have answered'
    const rest = this.#ledger.of(lineage, key).filter(({ seq }) => seq > from.seq)
    if (rest.some(({ isBreak }) => isBreak)) return 'something of another region is missing'
    return whyLetGo(this.#region, rest)
  }

  #onMessage(socket: SimSocket, view: View | undefined, message: Wire): void {
    const who = `${socket.client.name} (${socket.id}) on ${message.channel}`
    const { at } = view ?? {}
    const texts = message.action === Does.PRESENCE ? eventWords(shownIn(message))
      : (message.messages ?? []).map(({ data }) => data ?? '')
    if (view === undefined || at === undefined) {
      throw new Violation('continuity', `${who} is shown ${texts} while not attached`)
    }
    const key = channelKey(message.channel!)
    const to = pointOf(message.channelSerial ?? '')
    if (view.rewinding === 'doubtful') {
      if (to.seq <= at.seq) return
      view.rewinding = undefined
    } else if (view.rewinding !== undefined) {
      this.#onRewound(who, key, view, view.rewinding, texts, to)
      return
    }
    if (message.messages?.[0]?.action === META) {
      this.#onMeta(who, socket, key, view, at, to)
      return
    }
    if (message.action === Does.MESSAGE && key.startsWith(TOGETHER)) {
      this.#onTogether(who, socket, key, view, at, to, texts)
      return
    }
    const lost = this.#ledger.lostAt(key, to)
    const shown = lost ?? this.#ledger.at(to.lineage, key, to.seq)
    const wanted = shown && textsFor(shown, view)
    if (shown === undefined || wanted!.join() !== texts.join()) {
      throw new Violation('committed', `${who} is shown ${texts} as ${to.lineage}:${to.seq}, ` +
        `where the log has ${shown === undefined ? 'nothing' : words(shown)}`)
    }
    if (!isVisible(shown, socket, view)) {
      throw new Violation('echo', `${who} hears what is not for it: ${texts}`)
    }
    if (to.lineage !== at.lineage) {
      throw new Violation('continuity', `${who} is shown ${texts} of another lineage unannounced`)
    }
    if (lost !== undefined) {
      // It was on its way when the log lost it.
      view.at = to
      return
    }
    if (this.#ledger.isLost(key, at)) {
      throw new Violation('continuity', `${who} goes on after what the log has lost, unannounced`)
    }
    const next = this.#nextVisible(socket, key, at, view)
    if (next?.seq !== to.seq) {
      const wanted = next === undefined ? 'nothing' : words(next)
      throw new Violation('continuity',
        `${who} stands at ${at.seq}, should be shown ${wanted}, is shown ${words(shown)}`)
    }
    this.shownCount++
    view.at = to
  }

  /** Whole publishes, one or several, all that are for its ears up to where it stands then. */
  #onTogether(
    who: string, socket: SimSocket, key: string, view: View, at: Point, to: Point,
    texts: readonly string[]
  ): void {
    view.at = to
    if (this.#ledger.isLost(key, at) || this.#ledger.isLost(key, to)) return
    const wanted: string[] = []
    let next = this.#nextVisible(socket, key, at, view)
    while (next !== undefined && next.seq <= to.seq) {
      wanted.push(...textsFor(next, view))
      next = this.#nextVisible(socket, key, { ...at, seq: next.seq }, view)
    }
    if (to.lineage === at.lineage && wanted.join() === texts.join()) {
      this.shownCount++
      return
    }
    throw new Violation('continuity', `${who} stands at ${at.lineage}:${at.seq}, is shown ` +
      `${texts} as ${to.lineage}:${to.seq}, and not ${wanted}`)
  }

  /** It was told nothing for a while: its client is told where it stands. */
  #onQuiet(who: string, socket: SimSocket, key: string, view: View, at: Point, to: Point): void {
    this.quietCount++
    this.#onMeta(who, socket, key, view, at, to)
  }

  /** What has no place of its own is told where its node stands: clients go on from there. */
  #onMeta(who: string, socket: SimSocket, key: string, view: View, at: Point, to: Point)
    : void {
    if (this.#ledger.isLost(key, at) || this.#ledger.isLost(key, to)) return
    if (to.lineage !== at.lineage || to.seq < at.seq) {
      throw new Violation('continuity', `${who} stands at ${at.seq}, and is told ${to.seq}`)
    }
    const next = this.#nextVisible(socket, key, at, view)
    if (next !== undefined && next.seq <= to.seq) {
      throw new Violation('continuity', `${who} is told ${to.seq}, past ${words(next)}`)
    }
  }

  #mustBeCommitted(who: string, key: string, to: Point): void {
    const last = this.#ledger.of(to.lineage, key).at(-1)
    const idleMs = this.#world.nowMs - (last?.atMs ?? -Infinity)
    if (this.#ledger.isLost(key, to)) return
    if (to.seq <= (last?.seq ?? 0) || idleMs > limits.idleChannelMs * RETENTION_SLACK) return
    throw new Violation('committed', `${who} stands at ${to.seq}, the log at ${last?.seq ?? 0}`)
  }

  /** The next that it is shown; or a break, which it is told of as a loss. */
  #nextVisible(socket: SimSocket, key: string, from: Point, view: View): Committed | undefined {
    let next = this.#ledger.after(from.lineage, key, from.seq)
    while (next !== undefined && !next.isBreak && !isVisible(next, socket, view)) {
      next = this.#ledger.after(from.lineage, key, next.seq)
    }
    return next
  }
}

function words({ seq, texts }: Committed): string {
  return `${seq} "${texts.join(' ')}"`
}
