import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { cometClient } from './comet-world.ts'
import { WorkerWorld, type WorldWorker } from './worker-world.ts'

function threeNodes(seed: string): { world: WorkerWorld; workers: WorldWorker[] } {
  const world = new WorkerWorld(seed, { log: 'shared' })
  world.run(20)
  return { world, workers: world.nodes.map((node) => node.workers[0]!) }
}

t.test('[16] a home that is silent: 80003 in time, so that the client resumes', async (t) => {
  const { world, workers } = threeNodes('silent')
  const client = cometClient(world, workers[0]!)
  world.kill(world.nodes[0]!)
  const [recv, send] = [client.ask('recv', workers[1]), client.send([], workers[2])]
  world.run(limits.cometAnswerMs + 10)
  t.same([send.statusCode, send.code], [503, 80003])
  t.notOk(recv.isOver)
  world.run(limits.cometRecvAnswerMs)
  t.same([recv.statusCode, recv.code], [503, 80003])
})

t.test('[16] a home that is removed: 80003 at once', async (t) => {
  const { world, workers } = threeNodes('removed')
  const client = cometClient(world, workers[0]!)
  const recv = client.ask('recv', workers[1])
  world.run(5)
  world.kill(world.nodes[0]!)
  world.remove(world.nodes[0]!)
  const late = client.ask('recv', workers[2])
  world.run(5)
  t.same([recv.code, late.code], [80003, 80003])
})

t.test('[16] the home worker is a new life: 80022, and the client resumes', async (t) => {
  const { world, workers } = threeNodes('heir')
  const client = cometClient(world, workers[0]!)
  const recv = client.ask('recv', workers[1])
  world.run(5)
  const heir = world.restartWorker(world.nodes[0]!, 0)
  world.run(20)
  t.equal(recv.code, 80003)
  // The links of the former life, one each way, are found to be none with what is said on them.
  for (let no = 0; no < 2; no++) {
    client.ask('recv', workers[2])
    world.run(20)
  }
  const [there, here] = [client.ask('recv', workers[2]), client.ask('recv', heir)]
  world.run(20)
  t.same([there.code, here.code], [80022, 80022])
})

t.test('[16] a link that lost something ends the transports that it served', async (t) => {
  const { world, workers } = threeNodes('reset')
  const client = cometClient(world, workers[0]!)
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  const recv = client.ask('recv', workers[1])
  world.run(5)
  t.equal(recv.actions[0], Action.ATTACHED)
  // The worker that carries the next request dies with the answer in its hands.
  const lost = client.ask('recv', workers[1])
  world.run(5)
  world.restartWorker(world.nodes[1]!, 0)
  world.run(50)
  t.notOk(lost.isOver, 'nobody is left to answer it')
  const next = client.ask('recv', workers[2])
  world.run(10)
  t.equal(next.code, 80022)
})

t.test('[16] what a request shows is proven: the key of the path, and credentials', async (t) => {
  const { world, workers } = threeNodes('shown')
  const client = cometClient(world, workers[0]!, { clientId: 'ann' })
  const codeOf = (more: Record<string, string>): number | undefined => {
    const ask = client.ask('recv', workers[1], more)
    world.run(5)
    return ask.code
  }
  t.equal(codeOf({ key: 'app.k:wrong' }), 40101)
  t.equal(codeOf({ key: 'nobody.k:secret' }), 40101)
  t.equal(codeOf({ key: '' }), 40101)
  t.equal(codeOf({ clientId: 'bob' }), 40102)
  t.equal(codeOf({ clientId: 'ann' }), undefined)
  const forged = cometClient(world, workers[0]!)
  Object.defineProperty(forged, 'key', { value: `${forged.key.slice(0, -1)}-` })
  const ask = forged.ask('recv')
  world.run(5)
  t.same([ask.statusCode, ask.code], [400, 80018])
})

t.test('[16] who may not connect is told by status and frame', async (t) => {
  const { world, workers } = threeNodes('refused')
  const { connected } = cometClient(world, workers[0]!, { key: 'app.k:wrong' })
  t.equal(connected.statusCode, 401)
  t.same(connected.messages.map(({ action, error }) => [action, error?.code]),
    [[Action.ERROR, 40101]])
  const old = cometClient(world, workers[0]!, { v: '1' })
  t.same([old.connected.statusCode, old.connected.messages[0]!.error?.code], [400, 40017])
  const failed = cometClient(world, workers[0]!, { resume: 'no key' })
  t.same([failed.connected.statusCode, failed.connected.messages[0]!.error?.code], [200, 80018])
})

t.test('[16] a body that is none, or too large, is refused; the connection goes on', async (t) => {
  const { world, workers } = threeNodes('bodies')
  const client = cometClient(world, workers[0]!)
  const cases: [string, number, number][] = [
    ['{', 400, 40001],
    ['', 400, 40001],
    [JSON.stringify([{ action: 15, data: 'x'.repeat(limits.frameBytesMax) }]), 413, 40009],
    [`[${'{},'.repeat(limits.cometSendFramesMax)}{}]`, 400, 40034]
  ]
  for (const [body, statusCode, code] of cases) {
    const send = client.send(body, workers[1])
    world.run(5)
    t.same([send.statusCode, send.code], [statusCode, code])
  }
  const recv = client.ask('recv', workers[2])
  world.run(5)
  t.notOk(recv.isOver)
})

t.test('[16] a large send crosses in parts, and is answered once all is there', async (t) => {
  const { world, workers } = threeNodes('parts')
  const client = cometClient(world, workers[0]!)
  const watcher = world.client(world.nodes[2]!).attach('c')
  world.run(50)
  const sent = Array.from({ length: 20 }, (_, no) => `${no}${'x'.repeat(60_000)}`)
  const send = client.send(sent.map((data, msgSerial) => (
    { action: Action.MESSAGE, channel: 'c', msgSerial, messages: [{ data }] })), workers[1])
  world.run(300)
  t.equal(send.statusCode, 204)
  t.same(watcher.messages('c'), sent)
})

t.test('[16] a leaving node says so through whoever carries the request', async (t) => {
  const { world, workers } = threeNodes('leaving')
  const client = cometClient(world, workers[0]!)
  const recv = client.ask('recv', workers[1])
  world.run(5)
  world.input(workers[0]!, { kind: 'drain', withinMs: 100 })
  world.run(300)
  t.same(recv.messages.map(({ action, error }) => [action, error?.statusCode]),
    [[Action.DISCONNECTED, 503]])
})

t.test('[16] disconnect keeps the connection, close ends it', async (t) => {
  const { world, workers } = threeNodes('ends')
  for (const [wish, code] of [['disconnect', undefined], ['close', 80017]] as const) {
    const client = cometClient(world, workers[0]!)
    const recv = client.ask('recv', workers[2])
    const ended = client.ask(wish, workers[1])
    world.run(10)
    t.equal(ended.statusCode, 204)
    t.same(recv.actions, wish === 'close' ? [Action.CLOSED] : [])
    const again = cometClient(world, workers[1]!, { resume: client.key })
    t.equal(again.connected.messages[0]!.error?.code, code)
  }
})

t.test('requests that wait for others are bounded: 50004', async (t) => {
  const { world, workers } = threeNodes('many')
  Object.assign(limits, { cometAsksMax: 2 })
  t.teardown(() => Object.assign(limits, { cometAsksMax: 100_000 }))
  const clients = [0, 1, 2].map(() => cometClient(world, workers[0]!))
  const asks = clients.map((client) => client.ask('recv', workers[1]))
  world.run(5)
  t.same(asks.map(({ isOver }) => isOver), [false, false, true])
  t.equal(asks[2]!.code, 50004)
})
