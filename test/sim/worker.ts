/**
 * A worker thread of a simulated node: the core's Worker behind its loop, with simulated ports to
 * its siblings, the mesh, the log and its sockets. What `ops/pump.ts` and `commands/worker-thread`
 * do in production is done here in virtual time.
 */

import type { AppDirectory } from '../../src/auth/app.ts'
import { ConnectionKeys } from '../../src/auth/connection-key.ts'
import type { Random } from '../../src/base/random.ts'
import { Tally } from '../../src/base/tally.ts'
import type { LogRoom } from '../../src/log/room.ts'
import type { Adopt } from '../../src/node/member-ports.ts'
import type { CometRequest, CometResponder } from '../../src/node/comet-ports.ts'
import { Outbox } from '../../src/node/outbox.ts'
import type { Foreign, WorkerInput } from '../../src/node/ports.ts'
import type { RawRequest, Responder } from '../../src/node/request.ts'
import type { Strain } from '../../src/node/overload.ts'
import { Worker } from '../../src/node/worker.ts'
import { PeerCodec } from '../../src/peer/codec.ts'
import type { LinkFrame } from '../../src/peer/link.ts'
import { type Place, placeKey } from '../../src/peer/place.ts'
import type { WorldTerms } from '../../src/region/terms.ts'
import { Endpoint } from './bus.ts'
import type { MachineClock } from './clock.ts'
import type { Asker } from './log.ts'
import { Loop } from './loop.ts'
import type { Region } from './region.ts'
import type { Breakable, CometServer, SimWebSocket, SocketServer } from './sockets.ts'

const PORT_MS = 0.05
const SECRET = new TextEncoder().encode('the region\'s secret')

export interface WorkerThreadOptions {
  readonly self: Place
  readonly generation: number
  readonly workers: number
  readonly machine: string
  readonly clock: MachineClock
  readonly random: Random
  /** Somebody has a newer view than this worker was given. */
  onViewHeard(version: number, from: string | undefined): void
  /** It has what the view of this version gave it, and has read ahead. */
  onSettled(viewVersion: number): void
  /** The sibling threads as they are now, by index. */
  sibling(worker: number): WorkerThread | undefined
}

export class WorkerThread implements SocketServer, CometServer, Asker {
  readonly place: Place
  readonly generation: number
  readonly life: string
  readonly machine: string
  readonly worker: Worker
  readonly outbox = new Outbox()
  readonly endpoint: Endpoint
  readonly loop: Loop<WorkerInput>
  readonly sockets = new Set<SimWebSocket>()
  /** Requests of comet connections that are open here. */
  readonly exchanges = new Set<CometResponder & Breakable>()
  readonly #region: Region
  readonly #options: WorkerThreadOptions
  readonly #codec = new PeerCodec()
  #hasView = false
  #hasApps = false
  #heardVersion = 0
  #onFlushed: (() => void) | undefined

  constructor(region: Region, options: WorkerThreadOptions) {
    const { self, generation, workers, machine, clock, random } = options
    this.#region = region
    this.#options = options
    this.place = self
    this.generation = generation
    this.machine = machine
    this.life = `${placeKey(self)}/${generation}`
    const home = placeKey(self)
    this.worker = new Worker(
      {
        self,
        generation,
        workers,
        serverId: `${machine}.${self.worker}`,
        siteCode: region.name || 'sim',
        connectionKeys: new ConnectionKeys(SECRET),
        allocate: (bytes) => new Uint8Array(bytes),
        tally: new Tally()
      },
      this.outbox,
      random.fork('core')
    )
    this.loop = new Loop<WorkerInput>(this.worker, {
      world: region.world,
      clock,
      random: random.fork('loop'),
      deadline: { kind: 'deadline' },
      drain: (now) => {
        this.worker.settle(now)
        this.#drain()
      }
    })
    this.endpoint = new Endpoint(home, machine, false, (payload) => {
      const frame = payload instanceof Uint8Array ? this.#codec.decodeFrame(payload)
        : (payload as LinkFrame)
      if (frame !== undefined) this.loop.input({ kind: 'peerFrame', frame })
    })
    region.mesh.open(this.endpoint)
  }

  /** It listens: before it knows a view and the apps it could serve nobody. */
  get isListening(): boolean {
    return !this.loop.isOver && this.#hasView && this.#hasApps
  }

  get isAlive(): boolean {
    return this.isListening
  }

  get isTurning(): boolean {
    return !this.loop.isFrozen
  }

  /** For the log: can it be reached at all? */
  get isUp(): boolean {
    return this.endpoint.isUp
  }

  tellView({ view, generations, gone }: Adopt): void {
    this.#hasView = true
    this.loop.input({ kind: 'view', view, generations, gone })
  }

  tellWorld(foreign: readonly Foreign[], absent: readonly string[]): void {
    this.loop.input({ kind: 'world', foreign, absent })
  }

  tellTerms(terms: WorldTerms): void {
    this.loop.input({ kind: 'terms', terms })
  }

  tellApps(directory: AppDirectory): void {
    this.#hasApps = true
    this.loop.input({ kind: 'apps', directory })
  }

  tellLogRoom(room: LogRoom): void {
    this.loop.input({ kind: 'logRoom', room })
  }

  tellStrain(strain: Strain): void {
    this.loop.input({ kind: 'strain', strain })
  }

  /** It is about to be ended; `onFlushed` hears that all it counted is written. */
  tellFlush(onFlushed: () => void): void {
    this.#onFlushed = onFlushed
    this.#region.onFlushing(this.life)
    this.loop.input({ kind: 'flush' })
  }

  tellDrain(withinMs: number): void {
    this.loop.input({ kind: 'drain', withinMs })
  }

  /** The thread ends, and with it all that it knew but had written. */
  end(isFlushed: boolean): void {
    this.loop.end()
    this.#region.onLifeEnded(this, isFlushed)
    this.#region.mesh.close(this.endpoint)
    for (const socket of this.sockets) socket.onServerDied()
    this.sockets.clear()
    for (const exchange of this.exchanges) exchange.onServerDied()
    this.exchanges.clear()
  }

  onOpened(socket: SimWebSocket, query: ReadonlyMap<string, string>): void {
    this.sockets.add(socket)
    this.loop.input({ kind: 'socketOpened', opening: { socket, query, isTls: false } })
  }

  onFrame(socket: SimWebSocket, data: string | Uint8Array): void {
    const isBinary = typeof data !== 'string'
    this.loop.input({ kind: 'socketFrame', socket, data, isBinary })
  }

  onHeard(socket: SimWebSocket): void {
    this.loop.input({ kind: 'socketHeard', socket })
  }

  onClosed(socket: SimWebSocket): void {
    this.sockets.delete(socket)
    this.loop.input({ kind: 'socketClosed', socket })
  }

  onRequest(request: RawRequest, responder: Responder): void {
    this.loop.input({ kind: 'request', request, responder })
  }

  onCometRequest(request: CometRequest, responder: CometResponder & Breakable): void {
    this.exchanges.add(responder)
    this.loop.input({ kind: 'comet', request, responder })
  }

  onCometGone(responder: CometResponder & Breakable): void {
    this.exchanges.delete(responder)
    this.loop.input({ kind: 'cometGone', responder })
  }

  onCometOver(responder: CometResponder & Breakable): void {
    this.exchanges.delete(responder)
  }

  onSiblingFrame(frame: LinkFrame): void {
    this.loop.input({ kind: 'peerFrame', frame })
  }

  #drain(): void {
    const { world, log, archive, stats } = this.#region
    for (const request of this.outbox.takeLogRequests()) {
      log.ask(this, request, (answer) => {
        if (this.loop.isOver) return
        this.#region.onLogAnswer(this, request, answer)
        this.loop.input({ kind: 'log', answer })
      })
    }
    for (const request of this.outbox.takeStatsRequests()) {
      stats.ask(this, request, (answer) => {
        if (!this.loop.isOver) this.loop.input({ kind: 'stats', answer })
      })
    }
    if (this.outbox.takeFlushed()) this.#onFlushed?.()
    for (const request of this.outbox.takeArchiveRequests()) {
      archive.ask(this, request, (answer) => {
        if (!this.loop.isOver) this.loop.input({ kind: 'archive', answer })
      })
    }
    for (const { to, frame } of this.outbox.takeFrames()) this.#send(to, frame)
    for (const socket of this.outbox.drainSockets()) this.loop.input({ kind: 'socketFull', socket })
    for (const { responder, response } of this.outbox.takeResponses()) {
      responder.respond(response)
    }
    for (const text of this.outbox.takeNotes()) world.note(`${this.life} notes: ${text}`)
    const settled = this.outbox.takeSettled()
    if (settled !== undefined) this.#options.onSettled(settled)
    const heard = this.outbox.takeHeardView()
    if (heard === undefined || heard.version <= this.#heardVersion) return
    this.#heardVersion = heard.version
    this.#options.onViewHeard(heard.version, heard.from)
  }

  #send(to: Place, frame: LinkFrame): void {
    const { world, mesh, abroad } = this.#region
    this.#region.onPeerSays(this.place, frame)
    if (to.incarnation !== this.place.incarnation) {
      const bytes = this.#codec.encodeFrame(frame)
      if (abroad?.carry(this.#region, this.endpoint, placeKey(to), bytes) === true) return
      mesh.send(this.endpoint, placeKey(to), `link ${frame.kind}`, bytes, bytes.length)
      return
    }
    // A port of the same process: objects, cloned, in order, to the thread that is there now.
    const sibling = this.#options.sibling(to.worker)
    if (sibling === undefined || sibling.loop.isOver) return
    const cloned = structuredClone(frame)
    world.after(PORT_MS, () => sibling.onSiblingFrame(cloned))
  }
}
