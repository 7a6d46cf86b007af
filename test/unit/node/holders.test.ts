import t from 'tap'
import type { ConnectionFacts } from '../../../src/auth/connection-key.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Holders } from '../../../src/node/holders.ts'
import type { Response } from '../../../src/node/request.ts'
import type { Holding, StillHeld } from '../../../src/peer/claim-message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { nothingSaid } from '../../../src/session/past.ts'
import { Action } from '../../../src/wire/actions.ts'
import { region, workerOf } from './resume-world.ts'
import type { WorkerWorld, WorldNode } from './worker-world.ts'

const home = { incarnation: 'n1#1', worker: 2, generation: 3 }

function factsOf(over: Partial<ConnectionFacts> = {}): ConnectionFacts {
  const who = { appId: 'app', keyName: 'app.k', clientId: undefined }
  return { connectionId: 'c', ...who, home, claim: 1, lineage: undefined, viewVersion: 5,
    isRecovered: false, ...over }
}

class Bench {
  readonly deadlines = new Deadlines()
  asked: { to: Place; message: StillHeld }[] = []
  readonly told: string[] = []
  members = new Set(['n1#1'])
  readonly doubted = new Set<string>()
  viewVersion = 5
  nowMs = 0
  readonly holders = new Holders({
    deadlines: this.deadlines,
    random: new Random('holders'),
    now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs }),
    viewVersion: () => this.viewVersion,
    isMember: (incarnation) => this.members.has(incarnation),
    isListed: (incarnation) => this.members.has(incarnation) && !this.doubted.has(incarnation),
    send: (to, message) => void this.asked.push({ to, message })
  })

  ask(over: Partial<ConnectionFacts> = {}): void {
    this.holders.ask(factsOf(over), (held) => void this.told.push(held))
  }

  answer(holding: Holding): boolean {
    const { connectionId, claimId } = this.asked.at(-1)!.message
    return this.holders.onHolding({ kind: 'holding', connectionId, claimId, holding })
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 10
      this.deadlines.fire(this.nowMs)
    }
  }
}

const held = { kind: 'held', claim: 1, isProven: true, past: nothingSaid } as const

t.test('[20] the home is asked, of the life of the key, until it answers', async (t) => {
  const bench = new Bench()
  bench.ask()
  bench.pass(2_000)
  t.ok(bench.asked.length > 2)
  const { to, message } = bench.asked[0]!
  t.match(message, { kind: 'stillHeld', connectionId: 'c', generation: 3, mustEnd: false })
  t.same(to, { incarnation: 'n1#1', worker: 2 })
  for (const each of bench.asked) t.same(each.message, message)
  t.ok(bench.answer(held))
  t.notOk(bench.answer(held), 'what is answered again is nobody\'s question')
  t.same(bench.told, ['held'])
  t.equal(bench.deadlines.size + bench.holders.count, 0)
})

t.test('[20] a key is good until its client was heard with a newer one', async (t) => {
  const error = { code: 80017, statusCode: 400, message: 'closed' }
  const cases: readonly [Holding, string][] = [
    [held, 'held'],
    [{ ...held, claim: 2, isProven: false }, 'held'],
    [{ ...held, claim: 2 }, 'over'],
    [{ kind: 'ended', error }, 'over'],
    [{ kind: 'formerLife', livedMs: 5 }, 'over']
  ]
  for (const [holding, expected] of cases) {
    const bench = new Bench()
    bench.ask()
    bench.answer(holding)
    t.same(bench.told, [expected], JSON.stringify(holding))
  }
})

t.test('[20] a home that is gone: over; one that says nothing: nobody knows', async (t) => {
  const gone = new Bench()
  gone.members.clear()
  gone.ask()
  t.same([gone.told, gone.asked], [['over'], []])
  const late = new Bench()
  late.members.clear()
  late.ask({ viewVersion: 6 })
  t.same(late.told, [], 'it may be newer than what we know')
  late.members.add('n1#1')
  late.pass(limits.behalfAnswerMs - 10)
  t.ok(late.asked.length > 0)
  t.same(late.told, [])
  late.pass(20)
  t.same(late.told, ['unknown'])
  const dying = new Bench()
  dying.ask()
  dying.members.clear()
  dying.pass(500)
  t.same(dying.told, ['over'], 'and it may go meanwhile')
})

t.test('[20] a home that is only thought to be gone: nobody knows', async (t) => {
  const bench = new Bench()
  bench.doubted.add('n1#1')
  bench.ask()
  bench.pass(limits.behalfAnswerMs + 10)
  t.same([bench.told, bench.asked], [['unknown'], []])
  bench.told.length = 0
  bench.ask()
  bench.doubted.clear()
  bench.pass(500)
  t.ok(bench.answer(held), 'it is heard again')
  t.same(bench.told, ['held'])
})

/** Publishes on behalf of the connection of this key, by a request to `node`; its answer. */
function publishFor(
  world: WorkerWorld, node: WorldNode, connectionKey: string, ms = 200
): { status: number; code?: number } {
  const responses: Response[] = []
  const authorization = `Basic ${Buffer.from('app.k:secret').toString('base64')}`
  const body = Buffer.from(JSON.stringify({ data: 'x', connectionKey }))
  const headers = { authorization, 'content-type': 'application/json' }
  const target = `/channels/${world.channelOf(node)}/messages`
  const request = { method: 'POST', target, headers, body, isTls: false }
  const responder = { respond: (response: Response) => void responses.push(response) }
  world.input(workerOf(node), { kind: 'request', request, responder })
  world.run(ms)
  const [{ statusCode: status, body: told } = { statusCode: 0, body: undefined }] = responses
  const value = told === undefined ? {} : JSON.parse(Buffer.from(told).toString())
  return value.error === undefined ? { status } : { status, code: value.error.code }
}

t.test('[R8] for a connection that is there, or may be resumed; none that is over', async (t) => {
  const { world, nodes, client, home: node, third } = region('behalf')
  const taken = { status: 201 }
  const over = { status: 400, code: 40006 }
  for (const each of nodes) t.same(publishFor(world, each, client.connectionKey), taken)
  client.drop()
  world.run(1_000)
  t.same(publishFor(world, third, client.connectionKey), taken, 'it may come back')
  const { connectionKey } = client
  client.resume(workerOf(third))
  world.run(500)
  t.same(publishFor(world, node, connectionKey), over, 'it is elsewhere, with another key')
  t.same(publishFor(world, node, client.connectionKey), taken)
  client.send({ action: Action.CLOSE })
  world.run(50)
  for (const each of nodes) t.same(publishFor(world, each, client.connectionKey), over)
  const other = world.client(node)
  world.run(50)
  other.drop()
  world.run(limits.connectionStateTtlMs + 1_000)
  t.same(publishFor(world, third, other.connectionKey), over, 'nobody came for it in time')
})

t.test('[R8] the home is restarted, silent or gone', async (t) => {
  const { world, client, home: node, third } = region('behalf of the lost')
  workerOf(node).isFrozen = true
  t.same(publishFor(world, third, client.connectionKey, limits.behalfAnswerMs + 100),
    { status: 503, code: 50005 })
  world.thaw(workerOf(node))
  world.run(500)
  t.same(publishFor(world, third, client.connectionKey), { status: 201 })
  const over = { status: 400, code: 40006 }
  world.restartWorker(node, 0)
  world.run(500)
  t.same(publishFor(world, third, client.connectionKey, 1_500), over)
  const other = world.client(node)
  world.run(50)
  world.kill(node)
  world.remove(node)
  world.run(100)
  t.same(publishFor(world, third, other.connectionKey), over)
})
