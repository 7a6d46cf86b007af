import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { PeerCodec } from '../../../src/peer/codec.ts'
import { type LinkFrame, Links } from '../../../src/peer/link.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'

/** Messages are told apart by their number. */
function numbered(no: number): PeerMessage {
  return { kind: 'part', channel: 'app/c', clientId: String(no) }
}

/** One end of a link, with what it heard. */
class End {
  readonly place: Place
  readonly deadlines = new Deadlines()
  links: Links
  heard: number[] = []
  resets = 0
  peerRestarts = 0
  droppedAtMs = 0
  generation = 1
  readonly #world: World

  constructor(world: World, incarnation: string) {
    this.#world = world
    this.place = { incarnation, worker: 0 }
    this.links = this.#make()
  }

  restart(): void {
    this.generation++
    this.heard = []
    this.links = this.#make()
  }

  #make(): Links {
    return new Links(
      { self: this.place, generation: this.generation, viewVersion: () => 1 },
      {
        sendFrame: (to, frame) => this.#world.carry(to, frame),
        onLinkReset: () => void this.resets++,
        onMute: () => undefined,
        onPeerRestarted: () => void this.peerRestarts++,
        onPeerMessage: (_, message) => {
          this.heard.push(Number((message as { clientId: string }).clientId))
        },
        isStranger: () => this.#world.isStrange,
        isForeign: () => false,
        onStrangerSilent: (place) => {
          this.droppedAtMs = this.#world.nowMs
          this.links.drop(place)
        }
      },
      this.deadlines,
      new Random(`${this.place.incarnation}/${this.generation}`)
    )
  }
}

/** Two ends and a network that keeps order per direction, and loses frames when it rains. */
class World {
  readonly random: Random
  readonly codec = new PeerCodec()
  readonly a: End
  readonly b: End
  nowMs = 0
  lossShare = 0
  /** The view lists neither end. */
  isStrange = false
  carried = 0
  #flying: { atMs: number; to: Place; bytes: Uint8Array }[] = []

  constructor(seed: string) {
    this.random = new Random(seed)
    this.a = new End(this, 'a')
    this.b = new End(this, 'b')
  }

  carry(to: Place, frame: LinkFrame): void {
    this.carried++
    if (this.random.unit() < this.lossShare) return
    this.#flying.push({ atMs: this.nowMs + 5, to, bytes: this.codec.encodeFrame(frame) })
  }

  /** Lets time pass until nothing happens any more, or for `forMs`. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      const nextMs = Math.min(
        this.#flying[0]?.atMs ?? Infinity, this.a.deadlines.nextMs(), this.b.deadlines.nextMs()
      )
      if (nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      while (this.#flying.length > 0 && this.#flying[0]!.atMs <= this.nowMs) {
        const { to, bytes } = this.#flying.shift()!
        const end = to.incarnation === 'a' ? this.a : this.b
        end.links.onFrame(this.codec.decodeFrame(bytes)!, this.nowMs)
      }
      this.a.deadlines.fire(this.nowMs)
      this.b.deadlines.fire(this.nowMs)
    }
    this.nowMs = endMs
  }

  send(from: End, to: End, no: number): void {
    from.links.send(to.place, numbered(no), 100, this.nowMs)
    from.links.flush(this.nowMs)
  }
}

t.test('[rule 13] whatever is lost, everything arrives once and in order', async (t) => {
  for (let seed = 0; seed < 200; seed++) {
    const world = new World(`loss/${seed}`)
    world.lossShare = world.random.unit() * 0.6
    const sent: number[] = []
    for (let no = 0; no < 60; no++) {
      world.send(world.a, world.b, no)
      sent.push(no)
      if (world.random.unit() < 0.3) world.send(world.b, world.a, no)
      world.run(world.random.below(40))
    }
    world.lossShare = 0
    world.run(60_000)
    if (world.a.resets > 0) {
      // The very first batches were lost: the sender was told to start over, and says so.
      t.same(world.b.heard, [...world.b.heard].sort((x, y) => x - y), `seed ${seed}: in order`)
      t.equal(new Set(world.b.heard).size, world.b.heard.length, `seed ${seed}: once`)
    } else {
      t.same(world.b.heard, sent, `seed ${seed}`)
    }
  }
})

t.test('[C1] the last batch before an idle hour is asked about; then all is silent', async (t) => {
  const world = new World('idle')
  world.send(world.a, world.b, 1)
  world.run(1_000)
  world.lossShare = 1
  world.send(world.a, world.b, 2)
  world.run(100)
  world.lossShare = 0
  world.run(2_000)
  t.same(world.b.heard, [1, 2])
  const carried = world.carried
  world.run(3_600_000)
  t.equal(world.carried, carried, 'nothing is said when everything is confirmed')
  t.equal(world.a.links.unconfirmedBytes(), 0)
})

t.test('a restarted receiver hears nothing meant for its former life', async (t) => {
  const world = new World('restart')
  for (let no = 0; no < 5; no++) world.send(world.a, world.b, no)
  world.run(1_000)
  world.b.restart()
  world.send(world.a, world.b, 5)
  world.run(1_000)
  t.same(world.b.heard, [], 'a hole is not passed on')
  t.equal(world.a.resets, 1, 'the sender starts over')
  world.send(world.a, world.b, 6)
  world.run(1_000)
  t.same(world.b.heard, [6])
})

t.test('a restarted sender is a new peer', async (t) => {
  const world = new World('sender')
  world.send(world.a, world.b, 1)
  world.send(world.b, world.a, 1)
  world.run(1_000)
  world.a.restart()
  world.send(world.a, world.b, 2)
  world.run(1_000)
  t.same(world.b.heard, [1, 2])
  t.equal(world.b.peerRestarts, 1)
})

t.test('[H3] what nobody lists, and does not answer, is let go; at a word it is not', async (t) => {
  const [leastMs, mostMs] = [30_000, 60_000]
  const silent = new World('stranger')
  silent.isStrange = true
  silent.lossShare = 1
  silent.send(silent.a, silent.b, 1)
  silent.run(leastMs)
  t.ok(silent.a.links.unconfirmedBytes() > 0, 'it may have been out of reach')
  silent.run(mostMs - leastMs)
  t.ok(silent.a.droppedAtMs > leastMs)
  t.equal(silent.a.links.unconfirmedBytes(), 0)
  silent.lossShare = 0
  silent.send(silent.a, silent.b, 2)
  silent.run(1_000)
  t.same(silent.b.heard, [2], 'another one can begin')

  const listed = new World('listed')
  listed.lossShare = 1
  listed.send(listed.a, listed.b, 1)
  listed.run(10 * mostMs)
  t.equal(listed.a.droppedAtMs, 0)
  listed.isStrange = true
  listed.run(leastMs)
  listed.isStrange = false
  listed.run(leastMs)
  listed.isStrange = true
  listed.run(leastMs)
  t.equal(listed.a.droppedAtMs, 0, 'the time begins anew')

  const heard = new World('heard')
  heard.isStrange = true
  heard.send(heard.a, heard.b, 1)
  heard.run(1_000)
  heard.lossShare = 1
  heard.send(heard.a, heard.b, 2)
  heard.run(leastMs)
  heard.lossShare = 0
  heard.run(10_000)
  t.same(heard.b.heard, [1, 2])
  t.equal(heard.a.droppedAtMs, 0)
})

t.test('frames that nobody of this mesh wrote are none', async (t) => {
  const codec = new PeerCodec()
  const random = new Random('noise')
  for (let round = 0; round < 2_000; round++) {
    const noise = Uint8Array.from({ length: random.below(40) }, () => random.below(256))
    t.equal(codec.decodeFrame(noise), undefined)
  }
})
