import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Action } from '../../../src/wire/actions.ts'
import { type WorldNode, type WorldOptions, WorkerWorld } from './worker-world.ts'
import { memberOn, type WorldMember } from './world-member.ts'

interface Storm {
  readonly world: WorkerWorld
  readonly random: Random
  readonly channel: string
  readonly members: WorldMember[]
}

const living = (world: WorkerWorld): WorldNode[] => world.nodes.filter(({ isAlive }) => isAlive)

function begin(seed: string, options: WorldOptions): Storm {
  const world = new WorkerWorld(seed, { nodes: 4, ...options })
  const random = new Random(`${seed}/storm`)
  const channel = world.channelOf(world.nodes[0]!)
  const members = Array.from({ length: 8 }, (_, no) => {
    const node = world.nodes[no % 4]!
    const format = no % 2 === 0 ? 'json' as const : 'msgpack' as const
    const workerNo = no % node.workers.length
    return memberOn(node, world, channel, { format }, workerNo)
  })
  world.run(300)
  return { world, random, channel, members }
}

/** Something that may happen to anybody. */
function strike({ world, random, members, channel }: Storm, round: number): void {
  const no = random.below(members.length)
  const member = members[no]!
  const what = random.below(23)
  const nodes = living(world)
  const node = nodes[random.below(nodes.length)]!
  const worker = node.workers[random.below(node.workers.length)]!
  if (what < 9) member.enter(`m${no}.${random.below(3)}`, `r${round}`)
  else if (what < 12) member.leave(`m${no}.${random.below(3)}`)
  else if (what < 14) {
    member.drop()
    member.connect(worker)
  } else if (what === 14 && member.isAttachedNow) {
    member.send({ action: Action.DETACH, channel })
    world.run(5)
    member.attach(channel)
  } else if (what === 15) world.weather = { loss: random.unit() / 4, repeat: 0.2, delayMs: 20 }
  else if (what === 16) world.weather = { loss: 0, repeat: 0, delayMs: 1 }
  else if (what === 17 && nodes.length > 2) kill(world, node)
  else if (what === 18) world.start(`more${round}`)
  else if (what === 19) restart(world, node, random)
  else if (what > 19 && member.canResume) {
    member.drop()
    world.run(random.below(300))
    if (worker.isAlive) member.resume(worker)
  }
}

function kill(world: WorkerWorld, node: WorldNode): void {
  world.kill(node)
  world.remove(node)
}

function restart(world: WorkerWorld, node: WorldNode, random: Random): void {
  world.restartWorker(node, random.below(node.workers.length))
}

/** Who lost the worker under his socket goes to another one. */
function rescue({ world, random, members }: Storm): void {
  for (const member of members) {
    if (member.isOpen && member.worker?.isAlive === true) continue
    const nodes = living(world)
    const node = nodes[random.below(nodes.length)]!
    member.drop()
    member.connect(node.workers[random.below(node.workers.length)]!)
  }
}

/** Of each kind; every seed draws a storm of its own. */
const STORMS = 6

const KINDS: readonly [string, WorldOptions][] = [
  ['logs of their own', { workers: 1 }],
  ['a log that outlives', { workers: 1, log: 'shared' }],
  ['two workers', { workers: 2 }],
  ['two workers and a log that outlives', { workers: 2, log: 'shared' }]
]

for (const [kind, options] of KINDS) {
  t.test(`[21] after a storm all agree who is present: ${kind}`, async (t) => {
    for (let no = 0; no < STORMS; no++) {
      const seed = `storm/${kind}/${no}`
      const storm = begin(seed, options)
      const { world, random, members } = storm
      for (let round = 0; round < 120; round++) {
        strike(storm, round)
        world.run(random.below(200))
        rescue(storm)
      }
      world.weather = { loss: 0, repeat: 0, delayMs: 1 }
      world.run(2 * limits.presenceGraceMs + 10_000)
      rescue(storm)
      world.run(limits.presenceGraceMs + 10_000)
      const wanted = members.flatMap(({ own }) =>
        [...own].map(([clientId, data]) => `${clientId} ${data}`)).sort()
      for (const [at, member] of members.entries()) {
        t.same(member.set(), wanted, `${seed}, member ${at}`)
        t.notOk(member.isSyncing)
      }
      const flaws = members.flatMap((member) => member.flaws)
      t.same(flaws, [], seed)
    }
  })
}
