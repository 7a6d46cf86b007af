/* What is revoked in one region is revoked in the others. */

import t from 'tap'
import { type Revocation, Revocations } from '../../../src/auth/revocation.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { RevocationSync } from '../../../src/node/revocation-sync.ts'
import { type Place, placeKey } from '../../../src/peer/place.ts'
import type { RevocationMessage } from '../../../src/peer/revocation-message.ts'

const NOW_MS = 1_750_000_000_000

/** Regions of two workers each; what one says the others hear when `talk` is called. */
class World {
  readonly workers: Speaker[] = []
  readonly said: { from: Place; to: Place; message: RevocationMessage }[] = []
  nowMs = 0
  /** Regions that hear nothing. */
  readonly cut = new Set<string>()

  constructor(names: readonly string[]) {
    for (const name of names) {
      for (const worker of [0, 1]) this.workers.push(new Speaker(this, name, worker))
    }
    for (const { sync } of this.workers) sync.onWorld()
  }

  at(name: string, worker = 0): Speaker {
    return this.workers.find(({ self }) => placeKey(self) === placeKey(placeOf(name, worker)))!
  }

  /** Returns the kinds of what was said, in order. */
  talk(): string[] {
    const kinds: string[] = []
    for (let turn = 0; this.said.length > 0; turn++) {
      if (turn > 100) throw new Error('they never come to an end')
      const { from, to, message } = this.said.shift()!
      kinds.push(message.kind)
      const target = this.workers.find(({ self }) => placeKey(self) === placeKey(to))
      const isLost = this.cut.has(to.incarnation) || message.kind === 'revoked'
      if (!isLost) target?.sync.onMessage(from, message)
    }
    return kinds
  }

  pass(ms: number): void {
    this.nowMs += ms
    for (const { deadlines } of this.workers) deadlines.fire(this.nowMs)
  }
}

class Speaker {
  readonly self: Place
  readonly known = new Revocations()
  readonly deadlines = new Deadlines()
  readonly sync: RevocationSync

  constructor(world: World, name: string, worker: number) {
    this.self = placeOf(name, worker)
    this.sync = new RevocationSync({
      self: this.self,
      deadlines: this.deadlines,
      now: () => ({ monoMs: world.nowMs, wallMs: NOW_MS + world.nowMs }),
      places: () => [placeOf(name, 0), placeOf(name, 1)],
      speakers: () => world.workers.map(({ self }) => self)
        .filter(({ incarnation, worker: no }) => incarnation !== name && no === 0),
      known: () => this.known.all(NOW_MS),
      store: (revocations) => this.revoke(revocations),
      send: (to, message) => void world.said.push({ from: this.self, to, message })
    })
  }

  revoke(revocations: readonly Revocation[]): void {
    const fresh = revocations.filter((each) => this.known.add(each))
    if (fresh.length > 0) this.sync.onFresh(fresh)
  }

  targets(): string[] {
    return this.known.all(NOW_MS).map(({ target }) => target).toSorted()
  }
}

function placeOf(incarnation: string, worker: number): Place {
  return { incarnation, worker }
}

function revoked(name: string): Revocation {
  return {
    keyName: 'app.k', target: `clientId:${name}`, issuedBeforeMs: NOW_MS, appliesAtMs: 0
  }
}

t.test('what is revoked is told at once, and nothing is told twice', async (t) => {
  const world = new World(['eu', 'us', 'ap'])
  world.talk()
  world.at('eu').revoke([revoked('ann')])
  const kinds = world.talk()
  for (const name of ['eu', 'us', 'ap']) t.same(world.at(name).targets(), ['clientId:ann'], name)
  t.same(new Set(kinds), new Set(['revokedAbroad']))
  world.pass(limits.revocationSyncMs)
  t.same(new Set(world.talk()), new Set(['revokedAbroad']), 'they agree')
})

t.test('one worker of a region speaks', async (t) => {
  const world = new World(['eu', 'us'])
  world.talk()
  world.at('eu', 1).revoke([revoked('ann')])
  t.same(world.talk(), [])
})

t.test('what was lost on the way is told when they compare', async (t) => {
  const world = new World(['eu', 'us'])
  world.talk()
  world.cut.add('us')
  world.cut.add('eu')
  world.at('eu').revoke([revoked('ann')])
  world.at('us').revoke([revoked('bert')])
  world.talk()
  t.same(world.at('us').targets(), ['clientId:bert'])
  world.cut.clear()
  world.pass(limits.revocationSyncMs)
  world.talk()
  for (const name of ['eu', 'us']) {
    t.same(world.at(name).targets(), ['clientId:ann', 'clientId:bert'], name)
  }
})

t.test('a region that was alone with many is told all of them, in pages', async (t) => {
  const world = new World(['eu', 'us'])
  world.talk()
  world.cut.add('us')
  const many = Array.from({ length: limits.revocationsPerPage + 1 }, (_, no) => revoked(`c${no}`))
  world.at('eu').revoke(many)
  world.talk()
  world.cut.clear()
  world.pass(limits.revocationSyncMs)
  t.equal(world.talk().filter((kind) => kind === 'revokedAll').length, 2)
  t.equal(world.at('us').targets().length, many.length)
})

t.test('a region alone compares with nobody', async (t) => {
  const world = new World(['eu'])
  t.equal(world.at('eu').sync.beatCount, 0)
  world.at('eu').revoke([revoked('ann')])
  t.same(world.talk(), [])
})
