import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { Ask, type CometClient, cometClient } from './comet-world.ts'
import { told } from './resume-world.ts'
import { WorkerWorld, type WorldWorker } from './worker-world.ts'

const CONNECTED = [Action.CONNECTED]
const BEAT = [Action.HEARTBEAT]

function threeNodes(seed: string): { world: WorkerWorld; workers: WorldWorker[] } {
  const world = new WorkerWorld(seed, { log: 'shared' })
  world.run(20)
  return { world, workers: world.nodes.map((node) => node.workers[0]!) }
}

/** Asks until nothing is said any more; at another worker each time. */
function heard(client: CometClient, workers: readonly WorldWorker[], forMs = 100): string[] {
  const data: string[] = []
  const endMs = client.world.nowMs + forMs
  for (let no = 0; client.world.nowMs < endMs; no++) {
    const ask = client.ask('recv', workers[no % workers.length])
    while (!ask.isOver && client.world.nowMs < endMs) client.world.run(1)
    if (!ask.isOver) client.hangUp(ask)
    client.world.run(3)
    for (const { messages = [] } of ask.isOver ? ask.messages : []) {
      for (const { data: each } of messages) data.push(String(each))
    }
  }
  return data
}

t.test('[16] connected by one answer; what comes is the answer to the next request', async (t) => {
  const { world, workers } = threeNodes('polled')
  const client = cometClient(world, workers[0]!)
  t.same(client.connected.actions, CONNECTED)
  t.equal(client.connected.statusCode, 200)
  t.ok(client.connected.lines[0]!.endsWith('\n'), 'a line, for those who read streams')
  const recv = client.ask('recv')
  const send = client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  t.equal(send.statusCode, 204)
  t.equal(recv.actions[0], Action.ATTACHED)
})

t.test('[16] streamed: one response goes on, line by line, with beats', async (t) => {
  const { world, workers } = threeNodes('streamed')
  const client = cometClient(world, workers[0]!, { stream: 'true' })
  client.send([
    { action: Action.ATTACH, channel: 'c' },
    { action: Action.MESSAGE, channel: 'c', msgSerial: 0, messages: [{ data: 'one' }] }
  ])
  world.run(50)
  const { connected } = client
  t.notOk(connected.isOver)
  for (const action of [...CONNECTED, Action.ATTACHED, Action.MESSAGE, Action.ACK]) {
    t.equal(connected.actions.filter((each) => each === action).length, 1)
  }
  world.run(60_000)
  t.notOk(connected.isOver, 'it takes what it is told, so it lives')
  t.ok(connected.actions.filter((action) => action === Action.HEARTBEAT).length >= 4)
})

t.test('[16] any worker of any node takes the requests, in order and once', async (t) => {
  const { world, workers } = threeNodes('anywhere')
  const client = cometClient(world, workers[0]!)
  client.send([{ action: Action.ATTACH, channel: 'c' }], workers[1])
  world.run(20)
  const publisher = world.client(world.nodes[2]!)
  world.run(20)
  const sent = Array.from({ length: 30 }, (_, no) => `m${no}`)
  for (const data of sent) publisher.publish('c', data)
  t.same(heard(client, workers), sent)
  const send = client.send([
    { action: Action.MESSAGE, channel: 'c', msgSerial: 0, messages: [{ data: 'mine' }] }
  ], workers[2])
  t.same(heard(client, workers), ['mine'])
  t.equal(send.statusCode, 204)
})

t.test('[16] a request that nothing is said to is answered with a beat after 15 s', async (t) => {
  const { world, workers } = threeNodes('idle')
  const client = cometClient(world, workers[0]!)
  for (const worker of workers) {
    const recv = client.ask('recv', worker)
    world.run(limits.cometIdleMs - 100)
    t.notOk(recv.isOver)
    world.run(200)
    t.same([recv.statusCode, recv.actions], [200, BEAT])
  }
})

t.test('[16] one request at a time: a newer one takes the place of the older', async (t) => {
  const { world, workers } = threeNodes('newer')
  const client = cometClient(world, workers[0]!)
  const older = client.ask('recv', workers[1])
  world.run(5)
  const newer = client.ask('recv', workers[2])
  world.run(5)
  t.same([older.statusCode, older.code], [410, 80016])
  t.notOk(newer.isOver)
})

t.test('[16] nobody asks for 15 s: the transport is lost, and the client resumes', async (t) => {
  const { world, workers } = threeNodes('absent')
  const client = cometClient(world, workers[0]!)
  world.run(limits.cometAbsentMs + 100)
  const recv = client.ask('recv', workers[1])
  world.run(10)
  t.same([recv.statusCode, recv.code], [410, 80022])
  const again = cometClient(world, workers[2]!, { resume: client.key })
  const { connectionId, error } = again.connected.messages[0]!
  t.equal(connectionId, client.connected.messages[0]!.connectionId)
  t.equal(error, undefined)
})

t.test('[4.2] from comet to a socket and back: the same connection', async (t) => {
  const { world, workers } = threeNodes('both')
  const comet = cometClient(world, workers[0]!)
  const { connectionId } = comet.connected.messages[0]!
  const recv = comet.ask('recv', workers[1])
  world.run(5)
  const socket = world.client(world.nodes[2]!)
  world.run(5)
  socket.connectionId = connectionId!
  socket.resume(workers[2]!, comet.key)
  world.run(50)
  t.equal(told(socket, connectionId!), 'resumed')
  t.same(recv.messages.map(({ action, error }) => [action, error?.code]),
    [[Action.DISCONNECTED, 80016]])
  const back = cometClient(world, workers[1]!, { resume: socket.connectionKey })
  t.equal(back.connected.messages[0]!.connectionId, connectionId)
  t.equal(back.connected.messages[0]!.error, undefined)
})

t.test('[16] more than may be kept: 80003, and nothing after it', async (t) => {
  const { world, workers } = threeNodes('slow')
  const client = cometClient(world, workers[0]!)
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  const publisher = world.client(world.nodes[1]!)
  world.run(20)
  const large = 'x'.repeat(60_000)
  const count = Math.ceil(limits.cometQueueBytesMax / large.length) + 2
  for (let no = 0; no < count; no++) publisher.publish('c', large)
  world.run(500)
  const recv = client.ask('recv')
  world.run(10)
  t.same(recv.messages.map(({ action, error }) => [action, error?.code]),
    [[Action.DISCONNECTED, 80003]])
  const after = client.ask('recv')
  world.run(10)
  t.equal(after.code, 80022)
})

t.test('[25] what is said at once to who has taken everything cuts nobody off', async (t) => {
  const { world, workers } = threeNodes('burst')
  const client = cometClient(world, workers[0]!)
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  client.ask('recv')
  const publisher = world.client(world.nodes[1]!)
  world.run(20)
  const before = limits.cometQueueBytesMax
  Object.assign(limits, { cometQueueBytesMax: 1_000 })
  t.teardown(() => Object.assign(limits, { cometQueueBytesMax: before }))
  const sent = ['x'.repeat(60_000), 'y'.repeat(100)]
  for (const data of sent) {
    publisher.publish('c', data)
    world.run(20)
  }
  const told = [client.ask('recv'), client.ask('recv')].flatMap((ask) => {
    world.run(20)
    return ask.messages
  })
  t.same(told.flatMap(({ messages = [] }) => messages.map(({ data }) => data)), sent)
})

t.test('[16] an answer holds so many bytes, and the next goes on', async (t) => {
  const { world, workers } = threeNodes('pages')
  const client = cometClient(world, workers[0]!)
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  const publisher = world.client(world.nodes[1]!)
  world.run(20)
  const sent = Array.from({ length: 12 }, (_, no) => `${no}${'x'.repeat(60_000)}`)
  for (const data of sent) publisher.publish('c', data)
  world.run(300)
  const asks: Ask[] = []
  for (let no = 0; no < 6; no++) {
    asks.push(client.ask('recv', workers[no % 3]))
    world.run(20)
  }
  const answered = asks.filter(({ isOver }) => isOver)
  for (const { lines } of answered) t.ok(lines[0]!.length <= limits.cometResponseBytesMax + 100)
  const told = answered.flatMap((ask) => ask.messages)
  t.same(told.flatMap(({ messages = [] }) => messages.map(({ data }) => data)), sent)
})

t.test('[16] a streamed response ends at its bound; the client asks for the next', async (t) => {
  const { world, workers } = threeNodes('bounded')
  const client = cometClient(world, workers[0]!, { stream: 'true' })
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  const publisher = world.client(world.nodes[1]!)
  world.run(20)
  const large = 'x'.repeat(60_000)
  const count = Math.ceil(limits.cometStreamBytesMax / large.length) + 4
  const sent = Array.from({ length: count }, (_, no) => `${no}${large}`)
  for (const data of sent) publisher.publish('c', data)
  world.run(1_000)
  t.equal(client.connected.statusCode, 200)
  const next = client.ask('recv', workers[0], { stream: 'true' })
  world.run(50)
  t.notOk(next.isOver, 'which goes on, too')
  const all = [...client.connected.messages, ...next.messages]
  t.same(all.flatMap(({ messages = [] }) => messages.map(({ data }) => data)), sent)
})

t.test('[16] who reads nothing of a stream is disconnected', async (t) => {
  const { world, workers } = threeNodes('unread')
  const client = cometClient(world, workers[0]!, { stream: 'true' })
  client.connected.readsNothing = true
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  const publisher = world.client(world.nodes[1]!)
  world.run(20)
  const large = 'x'.repeat(60_000)
  const count = Math.ceil(limits.cometQueueBytesMax / large.length) + 4
  Object.assign(limits, { cometStreamBytesMax: Infinity })
  t.teardown(() => Object.assign(limits, { cometStreamBytesMax: 4 * 1024 * 1024 }))
  for (let no = 0; no < count; no++) {
    publisher.publish('c', large)
    world.run(10)
  }
  world.run(100)
  const last = client.connected.messages.at(-1)!
  t.same([last.action, last.error?.code], [Action.DISCONNECTED, 80003])
  t.ok(client.connected.isOver)
})

t.test('[16] what waited for a slow reader of a stream comes once it has read', async (t) => {
  const { world, workers } = threeNodes('slow')
  const client = cometClient(world, workers[0]!, { stream: 'true' })
  const present = world.client(world.nodes[1]!)
  for (const channel of ['c', 'd']) present.attach(channel)
  client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(20)
  present.present('d', [{ action: 2, clientId: 'ann' }])
  client.connected.readsNothing = true
  const large = 'x'.repeat(60_000)
  const count = Math.ceil(limits.socketRoomBytes / large.length) + 4
  for (let no = 0; no < count; no++) present.publish('c', large)
  world.run(500)
  client.send([{ action: Action.ATTACH, channel: 'd' }])
  world.run(500)
  const ofD = (): number[] => client.connected.messages
    .filter(({ channel }) => channel === 'd').map(({ action }) => action)
  t.same(ofD(), [Action.ATTACHED], 'it has much to read')
  client.connected.readsNothing = false
  client.connected.queuedBytes = 0
  world.run(4 * limits.socketLookMs)
  t.same(ofD(), [Action.ATTACHED, Action.SYNC])
})

t.test('[16] frames are read for who has proven itself, and not at any depth', async (t) => {
  const { world, workers } = threeNodes('deep')
  const client = cometClient(world, workers[0]!)
  for (const [open, close] of [['[', ']'], ['{"0":', '}']] as const) {
    const deep = `[${open.repeat(9_000)}1${close.repeat(9_000)}]`
    const sent = client.send(deep)
    world.run(10)
    t.equal(sent.code, 40001)
  }
  const unread = new Ask(workers[0]!)
  const request = {
    wish: 'send', connectionKey: 'a!b.c', query: new Map(), body: Buffer.from('['), isTls: false
  } as const
  world.input(workers[0]!, { kind: 'comet', request, responder: unread })
  world.run(10)
  t.equal(unread.code, 80018)
  const fine = client.send([{ action: Action.ATTACH, channel: 'c' }])
  world.run(10)
  t.equal(fine.statusCode, 204)
})

t.test('[16] who hangs up and closes has closed; a client that only goes is parked', async (t) => {
  const { world, workers } = threeNodes('torn')
  for (const at of [0, 1]) {
    const closed = cometClient(world, workers[0]!, { stream: 'true' })
    closed.hangUp(closed.connected)
    const close = closed.ask('close', workers[at])
    world.run(20)
    t.equal(close.statusCode, 204)
    const late = cometClient(world, workers[2]!, { resume: closed.key })
    t.equal(late.connected.messages[0]!.error?.code, 80017)
  }
  const gone = cometClient(world, workers[0]!, { stream: 'true' })
  gone.hangUp(gone.connected)
  world.run(limits.cometTornMs + 100)
  const again = cometClient(world, workers[1]!, { resume: gone.key })
  t.equal(again.connected.messages[0]!.error, undefined)
})

t.test('[16] an answer that did not arrive: nobody goes on behind it', async (t) => {
  const { world, workers } = threeNodes('missed')
  for (const at of [0, 1]) {
    const client = cometClient(world, workers[0]!)
    const recv = client.ask('recv', workers[at])
    client.send([{ action: Action.ATTACH, channel: 'c' }])
    world.run(20)
    t.equal(recv.actions[0], Action.ATTACHED)
    client.hangUp(recv)
    world.run(5)
    const next = client.ask('recv', workers[at])
    world.run(10)
    t.same([next.statusCode, next.code], [503, 80003])
  }
})

t.test('[16] who hangs up before there is an answer loses nothing', async (t) => {
  const { world, workers } = threeNodes('left')
  const client = cometClient(world, workers[0]!)
  for (const at of [0, 1, 2]) {
    const recv = client.ask('recv', workers[at])
    world.run(5)
    client.hangUp(recv)
    world.run(5)
    client.send([{ action: Action.ATTACH, channel: `c${at}` }])
    world.run(20)
    const next = client.ask('recv', workers[at])
    world.run(5)
    t.same(new Set(next.messages.map(({ channel }) => channel)), new Set([`c${at}`]))
  }
})
