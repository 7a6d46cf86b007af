import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { Outcome } from '../../../src/session/door.ts'
import { errors } from '../../../src/wire/errors.ts'
import { answered, credentials, SessionBench } from './session-bench.ts'

const refused: Outcome = { kind: 'refused', error: errors.unavailable().info }

t.test('CONNECTED says who, what is kept, and what is allowed', async (t) => {
  const bench = new SessionBench({ credentials: credentials(undefined, 'me') })
  bench.session.connected()
  t.match(bench.said(), [{
    action: 4, connectionId: 'conn', connectionKey: 'conn!key', error: undefined,
    connectionDetails: {
      clientId: 'me', connectionKey: 'conn!key', serverId: 'node', siteCode: 'here',
      connectionStateTtl: limits.connectionStateTtlMs, maxMessageSize: limits.messageBytesMax,
      maxIdleInterval: limits.maxIdleIntervalMs
    }
  }])
  bench.session.connected(errors.connectionExpired().info)
  t.match(bench.said(), [{ action: 4, error: { code: 80008 } }])
})

t.test('[16] a publish has its id before its first hop, and the ACK its serials', async (t) => {
  const bench = new SessionBench()
  bench.publish(7)
  const [submit] = bench.door.submits
  t.match(submit, {
    channel: 'app/c',
    publish: { id: 'conn:7', idSpace: 'connection', connectionId: 'conn',
      messages: [{ data: 'm7' }] }
  })
  t.same(bench.said(), [], 'not answered before its outcome')
  bench.commit('the serial')
  t.match(bench.said(), [{ action: 1, msgSerial: 7, count: 1, res: [{ serials: ['the serial'] }] }])
})

t.test('a client that leaves out what is zero has its first publish all the same', async (t) => {
  const bench = new SessionBench()
  bench.send({ action: 15, channel: 'c', messages: [{ data: 'x' }] })
  t.match(bench.door.submits, [{ publish: { id: 'conn:0' } }])
  bench.commit('s')
  t.match(bench.said(), [{ action: 1, msgSerial: 0, count: 1 }])
})

t.test('[18, B7] answers wait for those before them, refusals at the door too', async (t) => {
  const bench = new SessionBench()
  bench.publish(0)
  bench.publish(1, { messages: [] })
  bench.publish(2)
  bench.door.submits[1]!.settle({ kind: 'committed', serials: ['x'] })
  t.same(bench.said(), [])
  bench.commit()
  t.same(answered(bench.said()), ['ACK 0', 'NACK 1 40001', 'ACK 2'])
})

t.test('[18] a frame that came twice is answered twice, as its sender counts', async (t) => {
  const bench = new SessionBench()
  for (const serial of [3, 4, 4, 5]) bench.publish(serial)
  t.same(bench.door.submits.map(({ publish }) => publish.id),
    ['conn:3', 'conn:4', 'conn:4', 'conn:5'], 'the id tells the master that it is a repeat')
  for (const _ of [3, 4, 4, 5]) bench.commit()
  const said = bench.said()
  t.same(answered(said), ['ACK 3', 'ACK 4', 'ACK 4', 'ACK 5'])
  t.same(said.map(({ msgSerial, count }) => [msgSerial, count]), [[3, 2], [4, 2]])
})

t.test('[18, B8] no outcome in time: DISCONNECTED, retriable, and no NACK', async (t) => {
  const bench = new SessionBench()
  bench.attach()
  bench.publish(0)
  bench.pass(limits.publishOutcomeMs - 1)
  bench.publish(1)
  t.same(bench.said(), [])
  bench.pass(1)
  const said = bench.said()
  t.match(said, [{ action: 6, error: { code: 50003, statusCode: 503 } }])
  t.same(said.length, 1)
  t.equal(bench.closeCount, 1)
  t.same(bench.door.taken, [])
  bench.commit()
  bench.commit()
  t.same(bench.said(), [], 'a late outcome is the next connection\'s business')
  t.equal(bench.deadlines.nextMs(), Infinity)
})

t.test('[18] each publish has its own time, however many were answered before', async (t) => {
  const bench = new SessionBench()
  for (let serial = 0; serial < 20; serial++) {
    bench.publish(serial)
    bench.pass(limits.publishOutcomeMs / 2)
    t.same(answered(bench.said()), [])
    bench.commit()
    t.same(answered(bench.said()), [`ACK ${serial}`])
  }
  t.equal(bench.closeCount, 0)
  bench.publish(20)
  bench.pass(limits.publishOutcomeMs - 1)
  t.equal(bench.closeCount, 0)
  bench.pass(1)
  t.equal(bench.closeCount, 1)
})

t.test('[18] the oldest was answered: the next oldest is watched from its own time', async (t) => {
  const bench = new SessionBench()
  bench.publish(0)
  bench.pass(limits.publishOutcomeMs / 2)
  bench.publish(1)
  bench.commit()
  t.same(answered(bench.said()), ['ACK 0'])
  bench.pass(limits.publishOutcomeMs / 2)
  t.equal(bench.closeCount, 0)
  bench.pass(limits.publishOutcomeMs / 2 - 1)
  t.equal(bench.closeCount, 0)
  bench.pass(1)
  t.equal(bench.closeCount, 1)
})

t.test('the client says CLOSE in the middle of everything', async (t) => {
  const bench = new SessionBench()
  bench.attach('c')
  bench.attach('d')
  bench.publish(0)
  bench.door.seats[0]!.ears.onAttached({
    channelSerial: 's', isResumed: false, hasBacklog: false, hasPresence: false, error: undefined
  })
  bench.said()
  bench.send({ action: 7 })
  t.match(bench.said(), [{ action: 8 }])
  t.equal(bench.closeCount, 1)
  t.same(bench.door.taken, [])
  bench.commit()
  bench.publish(1)
  bench.attach('e')
  bench.pass(limits.publishOutcomeMs * 2)
  bench.session.onSocketClosed()
  t.same([bench.said(), bench.door.submits, bench.door.taken], [[], [], []])
  t.equal(bench.closeCount, 1)
})

t.test('the socket goes, or the client leaves without a word: nothing is said', async (t) => {
  for (const leave of [
    (bench: SessionBench) => bench.session.onSocketClosed(),
    (bench: SessionBench) => bench.send({ action: 5 })
  ]) {
    const bench = new SessionBench()
    bench.attach()
    bench.publish(0)
    leave(bench)
    bench.commit()
    bench.session.onSocketClosed()
    t.notOk(bench.session.isOpen)
    t.same([bench.said(), bench.door.taken], [[], []])
    t.equal(bench.deadlines.nextMs(), Infinity)
  }
})

t.test('what is no protocol message ends the connection, once', async (t) => {
  for (const data of ['{', '[]', '{"action":-1}']) {
    const bench = new SessionBench()
    bench.attach()
    bench.session.onFrame(data, false)
    bench.session.onFrame(data, false)
    t.match(bench.said(), [{ action: 9, channel: undefined, error: { code: 80013 } }], data)
    t.equal(bench.closeCount, 1)
    t.same(bench.door.taken, [])
  }
})

t.test('what is wrong with one message is answered to that message', async (t) => {
  const bench = new SessionBench()
  bench.publish(0)
  const frame = { action: 15, channel: 'c', msgSerial: 1, messages: [{ name: 7 }] }
  bench.session.onFrame(JSON.stringify(frame), false)
  bench.publish(2, { channel: ':bad' })
  bench.publish(3)
  t.equal(bench.door.submits.length, 2)
  bench.commit()
  bench.commit()
  t.same(answered(bench.said()), ['ACK 0', 'NACK 1 40016', 'NACK 2 40010', 'ACK 3'])
  t.ok(bench.session.isOpen)
})

t.test('what is not done yet is refused by its own code, the unknown let pass', async (t) => {
  const bench = new SessionBench()
  for (const [msgSerial, action] of [21, 19, 77].entries()) {
    bench.send({ action, channel: 'c', msgSerial })
  }
  t.same(answered(bench.said()), ['NACK 0 40021', 'NACK 1 40021', 'NACK 2 40000'])
  bench.send({ action: 77 })
  t.same(bench.said(), [])
  t.equal(bench.notes.length, 1)
})

t.test('a HEARTBEAT with an id comes back, one without is only heard', async (t) => {
  const bench = new SessionBench()
  bench.nowMs = 500
  bench.send({ action: 0, id: 'ping' })
  bench.send({ action: 0 })
  t.match(bench.said(), [{ action: 0, id: 'ping' }])
  t.equal(bench.session.heardAtMs, 500)
})

t.test('a binary session speaks MessagePack both ways', async (t) => {
  const bench = new SessionBench({ format: 'msgpack' })
  const data = new Uint8Array([1, 2, 255])
  bench.publish(0, { messages: [{ data, encoding: undefined }] })
  t.same(Buffer.from(bench.door.submits[0]!.publish.messages[0]!.data as Uint8Array),
    Buffer.from(data))
  bench.commit()
  bench.session.connected()
  const frames = bench.frames()
  t.same(frames.map(({ isBinary }) => isBinary), [true, true])
})

t.test('capability and modes decide who may publish', async (t) => {
  const bench = new SessionBench({
    credentials: credentials({ c: ['subscribe'], 'd:*': ['publish', 'subscribe'] })
  })
  bench.publish(0, { channel: 'c' })
  bench.publish(1, { channel: 'd:x' })
  bench.attach('d:y', { params: { modes: 'subscribe' } })
  bench.publish(2, { channel: 'd:y' })
  bench.send({ action: 12, channel: 'd:y' })
  bench.publish(3, { channel: 'd:y' })
  bench.publish(4, { channel: '[meta]d:x' })
  t.same(bench.door.submits.map(({ channel }) => channel), ['app/d:x', 'app/d:y'])
  bench.commit()
  bench.commit()
  t.same(answered(bench.said()),
    ['NACK 0 40160', 'ACK 1', 'NACK 2 40165', 'ACK 3', 'NACK 4 40160'])
})

t.test('[25] at the bound of publishes without outcome new ones are refused', async (t) => {
  const max = limits.unansweredPerSessionMax
  const bench = new SessionBench({ messagesPerSecondMax: 2 * max })
  for (let serial = 0; serial <= max; serial++) bench.publish(serial)
  t.equal(bench.door.submits.length, max)
  bench.commit()
  t.same(answered(bench.said()), ['ACK 0'])
  for (let count = 1; count < max; count++) bench.commit()
  const rest = answered(bench.said())
  t.equal(rest.length, max)
  t.equal(rest.at(-1), `NACK ${max} 42911`)
  bench.publish(max + 1)
  t.equal(bench.door.submits.length, 1, 'there is room again')
  t.equal(bench.tally.refusedCount, 1)
})

t.test('[25] what may be said in a second may be said at once', async (t) => {
  const bench = new SessionBench()
  for (let serial = 0; serial < limits.messagesPerSecondMax; serial++) bench.publish(serial)
  t.equal(bench.door.submits.length, limits.messagesPerSecondMax)
})

t.test('[25] at the bound of their bytes new ones are refused', async (t) => {
  const bench = new SessionBench()
  const messages = [{ data: 'x'.repeat(limits.messageBytesMax - 1_000), encoding: undefined }]
  const most = Math.floor(limits.unansweredPerSessionBytesMax / limits.messageBytesMax)
  let serial = 0
  while (bench.door.submits.length === serial) bench.publish(serial++, { messages })
  t.ok(serial > most, `${serial} of them`)
  t.ok(serial < 1.1 * most)
  bench.commit()
  t.same(answered(bench.said()), ['ACK 0'])
  for (let count = 2; count < serial; count++) bench.commit()
  t.equal(answered(bench.said()).at(-1), `NACK ${serial - 1} 42911`)
  bench.publish(serial, { messages })
  t.equal(bench.door.submits.length, 1, 'there is room again')
})

t.test('[25] refusals that wait behind one publish without outcome are bounded', async (t) => {
  const bench = new SessionBench()
  const max = limits.owedPerSessionMax
  bench.publish(0)
  for (let serial = 1; serial < max; serial++) bench.publish(serial, { messages: [] })
  t.same(bench.said(), [], 'nothing can be told before the first')
  bench.publish(max, { messages: [] })
  t.match(bench.said(), [{ action: 6, error: { statusCode: 503 } }])
  t.equal(bench.session.isOpen, false)
})

t.test('[25] what can be answered makes room', async (t) => {
  const bench = new SessionBench()
  const count = limits.owedPerSessionMax + 1
  for (let serial = 0; serial < count; serial++) bench.publish(serial, { messages: [] })
  t.equal(answered(bench.said()).length, count)
  t.ok(bench.session.isOpen)
})

t.test('[25] above its rate a session is refused, and a second later it is not', async (t) => {
  const max = limits.messagesPerSecondMax
  const bench = new SessionBench()
  const burst = (from: number, count: number): string[] => {
    const answers: string[] = []
    for (let serial = from; serial < from + count; serial++) {
      bench.publish(serial)
      if (bench.door.submits.length > 0) bench.commit()
      answers.push(...answered(bench.said()))
    }
    return answers.filter((answer) => answer.startsWith('NACK'))
  }
  t.same(burst(0, max + 2), [`NACK ${max} 42911`, `NACK ${max + 1} 42911`])
  bench.pass(1_000)
  t.same(burst(max + 2, 5), [])
})

t.test('[18] whatever the outcomes and their order: each received msgSerial once, in order',
  async (t) => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(`session/${seed}`)
      const bench = new SessionBench()
      const wanted: string[] = []
      const heard: string[] = []
      const outcomes = new Map<string, Outcome>()
      for (let serial = 0; serial < 40; serial++) {
        const draw = random.unit()
        if (draw < 0.2) {
          bench.publish(serial, { messages: [] })
          wanted.push(`NACK ${serial} 40001`)
        } else {
          bench.publish(serial)
          const isRefused = draw < 0.4
          outcomes.set(`conn:${serial}`,
            isRefused ? refused : { kind: 'committed', serials: [`${serial}`] })
          wanted.push(isRefused ? `NACK ${serial} 50005` : `ACK ${serial}`)
        }
        while (bench.door.submits.length > 0 && random.unit() < 0.5) {
          const [one] = bench.door.submits.splice(random.below(bench.door.submits.length), 1)
          one!.settle(outcomes.get(one!.publish.id)!)
        }
        if (random.unit() < 0.5) heard.push(...answered(bench.said()))
      }
      for (const { settle, publish } of bench.door.submits) settle(outcomes.get(publish.id)!)
      heard.push(...answered(bench.said()))
      t.same(heard, wanted, `seed ${seed}`)
    }
  })
