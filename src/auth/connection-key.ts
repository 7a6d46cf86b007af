/**
 * Connection keys: what a client shows to have its connection continued, on any node. A key is
 * `<connectionId>!<facts>.<proof>`: the facts are what a node must know to find who holds the
 * connection (rule 20), in the open; the proof is an HMAC with a secret of the region over both,
 * so that nobody can make a key up, or one key into another.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

const KEY = /^([A-Za-z0-9]{1,64})!([A-Za-z0-9_-]{1,4096})\.([A-Za-z0-9_-]{22})$/
const FORMAT_VERSION = 1
const PROOF_LENGTH = 22

/** What a key says. */
export interface ConnectionFacts {
  readonly connectionId: string
  readonly appId: string
  readonly keyName: string
  readonly clientId: string | undefined
  /** The worker, and which life of it, that issued the key. */
  readonly home: {
    readonly incarnation: string
    readonly worker: number
    readonly generation: number
  }
  /** The claim that the key was issued for; 0 for a new connection. */
  readonly claim: number
  /** The register's, if the connection was ever claimed. */
  readonly lineage: string | undefined
  /** Of the view in which it was issued: whoever has that one or a later knows of the home. */
  readonly viewVersion: number
  /** True: its client has recovered the connection from another process. */
  readonly isRecovered: boolean
}

/** Issues connection keys and proves them; the secrets stay inside. */
export class ConnectionKeys {
  readonly #secret: Uint8Array
  readonly #former: readonly Uint8Array[]

  /**
   * `secret`: at least 32 random bytes, the same on every node of the region; `former` are still
   * accepted, so that the secret can be changed without losing connections.
   */
  constructor(secret: Uint8Array, former: readonly Uint8Array[] = []) {
    this.#secret = secret
    this.#former = former
  }

  issue(facts: ConnectionFacts): string {
    const {
      connectionId, appId, keyName, clientId, home, claim, lineage, viewVersion, isRecovered
    } = facts
    const fields = [
      FORMAT_VERSION, appId, keyName, clientId ?? null,
      home.incarnation, home.worker, home.generation, claim, lineage ?? null,
      viewVersion, isRecovered ? 1 : 0
    ]
    const text = Buffer.from(JSON.stringify(fields)).toString('base64url')
    return `${connectionId}!${text}.${proofOf(`${connectionId}!${text}`, this.#secret)}`
  }

  /** What the key says; undefined for one that was not issued by this region. */
  open(key: string): ConnectionFacts | undefined {
    const match = KEY.exec(key)
    if (match === null) return undefined
    const [, connectionId, text, proof] = match as unknown as [string, string, string, string]
    const isOurs = [this.#secret, ...this.#former].some((secret) => {
      const expected = proofOf(`${connectionId}!${text}`, secret)
      return timingSafeEqual(Buffer.from(expected), Buffer.from(proof))
    })
    if (!isOurs) return undefined
    // It has a proof, so one of us wrote it: only its version can be unknown to us.
    const fields = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown[]
    if (fields[0] !== FORMAT_VERSION) return undefined
    const [
      , appId, keyName, clientId, incarnation, worker, generation, claim, lineage, viewVersion = 0,
      isRecovered = 0
    ] = fields as [
      number, string, string, string | null, string, number, number, number, string | null, number?,
      number?
    ]
    return {
      connectionId, appId, keyName, clientId: clientId ?? undefined,
      home: { incarnation, worker, generation }, claim, lineage: lineage ?? undefined,
      viewVersion, isRecovered: isRecovered === 1
    }
  }
}

function proofOf(text: string, secret: Uint8Array): string {
  return createHmac('sha256', secret).update(text).digest('base64url').slice(0, PROOF_LENGTH)
}
