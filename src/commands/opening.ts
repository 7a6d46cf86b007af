/**
 * When a worker begins, and when it listens. Masters begin once there are a view and apps: they say
 * what is to be kept. It listens once it also knows what is revoked: before that not everybody
 * could be served, and siblings and other nodes can. Where the log does not tell that, though it
 * was made, it listens after a while to those whom it does not concern.
 */

import type { WorkerInput } from '../node/ports.ts'

const REVOKED_WAIT_MS = 5_000

export type ViewInput = Extract<WorkerInput, { readonly kind: 'view' }>

export interface OpeningPorts {
  /** Gives the worker its view. */
  begin(view: ViewInput): void
  /** Called once. */
  listen(): void
}

export class Opening {
  readonly #ports: OpeningPorts
  readonly #revokedWaitMs: number
  #view: ViewInput | undefined
  #hasApps = false
  #knowsRevoked = false
  #patience: NodeJS.Timeout | undefined
  #isOpen = false

  constructor(ports: OpeningPorts, revokedWaitMs: number = REVOKED_WAIT_MS) {
    this.#ports = ports
    this.#revokedWaitMs = revokedWaitMs
  }

  onView(view: ViewInput): void {
    this.#view = view
    if (this.#hasApps) this.#ports.begin(view)
    this.#open()
  }

  onApps(): void {
    if (!this.#hasApps && this.#view !== undefined) this.#ports.begin(this.#view)
    this.#hasApps = true
    this.#open()
  }

  onRevokedKnown(): void {
    clearTimeout(this.#patience)
    this.#knowsRevoked = true
    this.#open()
  }

  #open(): void {
    if (this.#view === undefined || !this.#hasApps || this.#isOpen) return
    if (!this.#knowsRevoked) {
      const { log } = this.#view.view
      const isLogMade = log !== undefined && log.maker === undefined
      if (isLogMade) this.#patience ??= setTimeout(() => this.onRevokedKnown(), this.#revokedWaitMs)
      return
    }
    this.#isOpen = true
    this.#ports.listen()
  }
}
