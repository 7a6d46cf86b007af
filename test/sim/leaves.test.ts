import { encode } from '@msgpack/msgpack'
import t from 'tap'
import { Leaves } from './checks/leaves.ts'
import type { Taken } from './ledger.ts'
import type { Accepted } from './log.ts'
import { Presence } from './presence-map.ts'
import type { Region } from './region.ts'
import type { SimSocket } from './sockets.ts'
import { Does } from './wire.ts'

const LIFE = 'n.1/0/1'
const OWNER = { incarnation: 'n.1', worker: 0, generation: 1, claim: 0 }

/** A member whose worker speaks for it, on a socket that is there. */
class Seen {
  readonly node = { isImpaired: false, life: { incarnation: OWNER.incarnation } }
  readonly region = {
    world: { nowMs: 0 },
    kube: { view: { members: [{ incarnation: OWNER.incarnation }] } },
    nodes: new Map([['n', this.node]]),
    ledger: { presentAt: () => new Map([['connection:who', { id: 'connection:0:0' }]]) }
  }

  readonly check = new Leaves(this.region as unknown as Region)
  readonly socket = { server: { life: LIFE } } as unknown as SimSocket

  constructor() {
    const facts = Buffer.from(JSON.stringify([0, 0, 0, 0, 0, 0, 0, OWNER.claim]))
    const connectionDetails = { connectionKey: `key!${facts.toString('base64url')}.proof` }
    const connected = { action: Does.CONNECTED, connectionId: 'connection', connectionDetails }
    this.check.onServerSays(this.socket, connected)
    this.check.onClientSays(this.socket, { action: Does.ATTACH, channel: 'ch' })
    this.#append(Presence.ENTER, 'connection')
  }

  at(nowMs: number, run: () => void): void {
    this.region.world.nowMs = nowMs
    run()
  }

  /** Servers have decided that the member leaves. */
  leave(): void {
    this.#append(Presence.LEAVE, 'master')
  }

  #append(action: number, idSpace: string): void {
    const presence = [{ action, clientId: 'who', connectionId: 'connection', id: `${action}:0:0` }]
    const publication = { owner: OWNER, idSpace, seq: 1, payload: encode(presence) }
    const entries = [{ kind: 'publication', channel: 'app/ch', publication }]
    const taken = { append: { entries }, lineage: 'lineage', isStray: false }
    this.check.onAppended(taken as unknown as Taken, { partition: 0 } as Accepted)
  }
}

/** Its node falls silent, then its worker ends; later the ring says that the node is gone. */
function silentSince(impairedAtMs: number, isRemoved = true): Seen {
  const seen = new Seen()
  const { check, node, region, socket } = seen
  seen.at(impairedAtMs, () => {
    node.isImpaired = true
    check.onTick()
  })
  seen.at(12_000, () => {
    check.onSocketGone(socket)
    check.onLifeEnded(LIFE)
  })
  seen.at(15_000, () => {
    if (isRemoved) region.kube.view.members.length = 0
    check.onTick()
  })
  return seen
}

t.test('[21] who leaves was gone for the grace', async (t) => {
  const seen = silentSince(5_000)
  seen.at(20_000, () => seen.leave())
  t.equal(seen.check.leaveCount, 1, 'it was silent for that long, though its worker ended later')

  for (const [since, isRemoved] of [[9_000, true], [5_000, false]] as const) {
    const early = silentSince(since, isRemoved)
    early.at(20_000, () => t.throws(() => early.leave(), { message: /it was a moment ago/ }))
  }
  const late = silentSince(13_000)
  late.at(25_000, () => late.leave())
  t.equal(late.check.leaveCount, 1, 'a worker that ended before is gone since then')
})

t.test('[21] who is told that its channel did not answer has the grace', async (t) => {
  const refused = (code?: number): Seen => {
    const seen = new Seen()
    const error = code === undefined ? undefined : { code, statusCode: 408, message: '' }
    const told = { action: Does.DETACHED, channel: 'ch', ...error && { error } }
    seen.at(5_000, () => seen.check.onServerSays(seen.socket, told))
    return seen
  }
  const early = refused(90_007)
  early.at(10_000, () => t.throws(() => early.leave(), { message: /it was a moment ago/ }))
  const back = refused(90_007)
  const ask = { action: Does.ATTACH, channel: 'ch' }
  back.at(10_000, () => back.check.onClientSays(back.socket, ask))
  back.at(20_000, () => t.throws(() => back.leave(), { message: /it is connected there/ }))
  for (const [seen, atMs] of [[refused(90_007), 20_000], [refused(), 10_000]] as const) {
    seen.at(atMs, () => seen.leave())
    t.equal(seen.check.leaveCount, 1)
  }
})
