/**
 * The shell of a node's membership: performs what the member asks (send, read, write, probe) and
 * gives it what happened. Everything it cannot find out is told as `failed` or `unknown`.
 */

import type { Clock } from '../base/clock.ts'
import type { Mesh } from '../bus/mesh.ts'
import { everybodySubject, inboxSubject } from '../bus/subjects.ts'
import type {
  Adopt,
  LogPlan,
  MemberInput,
  MemberOutput,
  PodFact,
  ProbeOutcome,
  RingReading,
  RingWriting,
  Standing
} from '../node/member-ports.ts'
import { decodeMembership, encodeMembership } from '../peer/membership-codec.ts'
import { MAIN_THREAD } from '../peer/place.ts'
import type { View } from '../ring/view.ts'

/** Where the RealtimeRing is kept. Promises do not reject: what fails is an outcome. */
export interface RingStore {
  read(): Promise<RingReading>
  /** Stores `view` if the object is still at `expected`; undefined: makes it if it is absent. */
  write(expected: string | undefined, view: View): Promise<RingWriting>
}

/** The member as its pump sees it. */
export interface MemberMachine {
  turn(input: MemberInput, now: { monoMs: number; wallMs: number }): void
  nextDeadlineMs(): number
}

export interface MemberPumpPorts {
  readonly clock: Clock
  readonly mesh: Mesh
  readonly prefix: string
  readonly ringStore: RingStore
  /** The region's pods by a list that is begun now. */
  listPods(): Promise<readonly PodFact[]>
  probe(host: string, privatePort: number, incarnation: string): Promise<ProbeOutcome>
  onAdopt(adopt: Adopt): void
  onMakeLog(plan: LogPlan): void
  onStanding(standing: Standing, reason: string): void
  note(level: 'info' | 'warn' | 'error', text: string, fields: object): void
}

export class MemberPump {
  readonly #ports: MemberPumpPorts
  readonly #outputs: MemberOutput[] = []
  #machine: MemberMachine | undefined
  #timer: NodeJS.Timeout | undefined
  #isDrainDue = false
  #isStopped = false

  constructor(ports: MemberPumpPorts) {
    this.#ports = ports
  }

  /** Where the machine leaves its outputs. */
  get outbox(): { push(output: MemberOutput): void } {
    return { push: (output) => void this.#outputs.push(output) }
  }

  /** Starts serving the machine of `incarnation`. */
  start(machine: MemberMachine, incarnation: string): void {
    this.#machine = machine
    const { mesh, prefix } = this.#ports
    const onBytes = (bytes: Uint8Array): void => {
      const message = decodeMembership(bytes)
      if (message !== undefined && message.sender.incarnation !== incarnation) {
        this.input({ kind: 'peer', message })
      }
    }
    mesh.subscribe(inboxSubject(prefix, { incarnation, worker: MAIN_THREAD }), onBytes)
    mesh.subscribe(everybodySubject(prefix), onBytes)
    this.input({ kind: 'mesh', isUp: mesh.isUp })
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  input(input: MemberInput): void {
    if (this.#isStopped || this.#machine === undefined) return
    this.#machine.turn(input, this.#ports.clock.now())
    if (this.#isDrainDue) return
    this.#isDrainDue = true
    setImmediate(() => this.#drain())
  }

  #drain(): void {
    this.#isDrainDue = false
    if (this.#isStopped || this.#machine === undefined) return
    for (const output of this.#outputs.splice(0)) this.#perform(output)
    clearTimeout(this.#timer)
    const waitMs = this.#machine.nextDeadlineMs() - this.#ports.clock.now().monoMs
    if (waitMs === Infinity) return
    this.#timer = setTimeout(() => this.input({ kind: 'deadline' }), Math.max(0, Math.ceil(waitMs)))
  }

  #perform(output: MemberOutput): void {
    const { mesh, prefix, ringStore } = this.#ports
    switch (output.kind) {
      case 'send': {
        const subject = output.to === 'all' ? everybodySubject(prefix)
          : inboxSubject(prefix, { incarnation: output.to, worker: MAIN_THREAD })
        mesh.publish(subject, encodeMembership(output.message))
        return
      }
      case 'readRing':
        void ringStore.read().then((reading) => {
          this.input({ kind: 'ringRead', ticket: output.ticket, reading })
        })
        return
      case 'listPods':
        void this.#ports.listPods().then((pods) => {
          this.input({ kind: 'pods', pods, isAsked: true })
        })
        return
      case 'writeRing':
        void ringStore.write(output.expected, output.view).then((writing) => {
          this.input({ kind: 'ringWritten', ticket: output.ticket, writing })
        })
        return
      case 'probe': {
        const { host, privatePort, incarnation, ticket } = output
        void this.#ports.probe(host, privatePort, incarnation).then((outcome) => {
          this.input({ kind: 'probed', ticket, outcome })
        })
        return
      }
      case 'adopt':
        this.#ports.onAdopt(output)
        return
      case 'makeLog':
        this.#ports.onMakeLog(output.plan)
        return
      case 'standing':
        this.#ports.onStanding(output.standing, output.reason)
        return
      case 'note':
        this.#ports.note(output.level, output.text, output.fields)
        return
    }
  }
}
