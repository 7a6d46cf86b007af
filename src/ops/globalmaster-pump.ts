/**
 * The shell of the globalmaster's machine: what is said on the mesh becomes inputs, outputs are
 * said there, and the machine has its one timer.
 */

import type { Mesh } from '../bus/mesh.ts'
import {
  globalmasterSubject, relayWordsSubject, rosterSubject, subjectPrefix, worldSubject
} from '../bus/subjects.ts'
import type { Clock } from '../base/clock.ts'
import { endpointOrNone } from '../region/endpoint.ts'
import {
  decodeGlobalmaster, decodeRelayWords, encodeGlobalmaster
} from '../region/globalmaster-codec.ts'
import { decodeWorldMessage, encodeWorldMessage } from '../region/world-codec.ts'
import { type RegionIdentity, WORLD_FORMAT_VERSION } from '../region/world-message.ts'
import { Globalmaster } from '../region/globalmaster.ts'
import type {
  FormerPeer, GlobalmasterInput, GlobalmasterOutput, PeerReport, WorldConfig
} from '../region/globalmaster-ports.ts'

export interface GlobalmasterPumpPorts {
  readonly clock: Clock
  readonly mesh: Mesh
  onReport(peers: readonly PeerReport[]): void
  /** It speaks no more: another one speaks for the region. */
  onDeposed(): void
  /** Something worth a line in the log. */
  note(text: string): void
}

export class GlobalmasterPump {
  readonly #ports: GlobalmasterPumpPorts
  readonly #machine: Globalmaster
  readonly #prefix: string
  readonly #ringUid: string
  #outputs: GlobalmasterOutput[] = []
  #timer: NodeJS.Timeout | undefined
  #isElected = false
  #isStopped = false

  /** `region` is the name of its object; `config` names the ring whose nodes are told. */
  constructor(
    region: string, instance: string, config: WorldConfig, ports: GlobalmasterPumpPorts
  ) {
    this.#ports = ports
    const push = (output: GlobalmasterOutput): void => void this.#outputs.push(output)
    this.#machine = new Globalmaster(instance, { push })
    this.#ringUid = config.ringUid
    this.#prefix = subjectPrefix(region, config.ringUid)
    const { mesh } = ports
    mesh.subscribe(worldSubject, (bytes) => {
      const message = decodeWorldMessage(bytes)
      // Whatever else they say of a region: who says which one it is says that it is there.
      if (message !== undefined && 'prefix' in message) this.#onRegion(message)
    })
    // Rosters are said where only the nodes of our region listen, and believed from nowhere else.
    mesh.subscribe(rosterSubject(this.#prefix), (bytes) => {
      const message = decodeWorldMessage(bytes)
      if (message?.kind !== 'roster') return
      this.#input({ kind: 'roster', madeAtMs: message.madeAtMs })
    })
    mesh.subscribe(relayWordsSubject(this.#prefix), (bytes) => {
      const words = decodeRelayWords(bytes)
      if (words !== undefined) this.#input({ kind: 'relays', words })
    })
    mesh.subscribe(globalmasterSubject, (bytes) => {
      const hello = decodeGlobalmaster(bytes)
      if (hello !== undefined) this.#input({ kind: 'hello', hello })
    })
    this.#input({ kind: 'config', config })
  }

  /** False where it speaks of another ring than the one we were made for: this one's time is up. */
  configure(config: WorldConfig): boolean {
    if (config.ringUid !== this.#ringUid) return false
    this.#input({ kind: 'config', config })
    return true
  }

  elected(term: number, former: readonly FormerPeer[]): void {
    this.#input({ kind: 'elected', term, former })
    this.#isElected = true
  }

  /** Tells the others that the region is in no world any more; nothing is said after that. */
  leave(): void {
    if (this.#isStopped) return
    this.#machine.turn({ kind: 'leaving' }, this.#ports.clock.now())
    for (const output of this.#outputs.splice(0)) this.#perform(output)
    this.stop()
  }

  describe(): string[] {
    return this.#machine.describe()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #onRegion({ name: region, uid, madeAtMs, endpoint: said, isToDrain }: RegionIdentity): void {
    const endpoint = endpointOrNone(said)
    const ring = { region, uid, madeAtMs, endpoint, ...(isToDrain === true && { isToDrain }) }
    this.#input({ kind: 'announced', ring })
  }

  #input(input: GlobalmasterInput): void {
    if (this.#isStopped) return
    this.#machine.turn(input, this.#ports.clock.now())
    for (const output of this.#outputs.splice(0)) this.#perform(output)
    if (this.#isElected && !this.#machine.isSpeaking) {
      this.stop()
      this.#ports.onDeposed()
      return
    }
    clearTimeout(this.#timer)
    const waitMs = Math.ceil(this.#machine.nextDeadlineMs() - this.#ports.clock.now().monoMs)
    if (waitMs === Infinity) return
    this.#timer = setTimeout(() => this.#input({ kind: 'deadline' }), Math.max(0, waitMs))
  }

  #perform(output: GlobalmasterOutput): void {
    switch (output.kind) {
      case 'hello':
        this.#publish(globalmasterSubject, encodeGlobalmaster(output.hello))
        return
      case 'roster': {
        const { madeAtMs, uids, names } = output
        this.#publish(rosterSubject(this.#prefix), encodeWorldMessage({
          kind: 'roster', formatVersion: WORLD_FORMAT_VERSION, madeAtMs, uids, names
        }))
        return
      }
      case 'report':
        this.#ports.onReport(output.peers)
    }
  }

  #publish(subject: string, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.#ports.note(`too much to be said on ${subject}`)
    else this.#ports.mesh.publish(subject, bytes)
  }
}
