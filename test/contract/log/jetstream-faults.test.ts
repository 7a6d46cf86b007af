/** The replicated log in a failing world: what servers may answer, and what it is taken for. */

import { headers, type Msg } from 'nats'
import t, { type Test } from 'tap'
import type { AppendOutcome } from '../../../src/log/port.ts'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import { JetStreamLog } from '../../../src/store/jetstream.ts'
import { partitionSubject, streamName } from '../../../src/store/log-names.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld, PREFIX, until } from './jetstream-world.ts'
import { bytesOf, readAll, stored, storedAll, wordsIn } from './log-contract.ts'

const skip = missingTools('nats-server')
const PLAN: LogPlan = { generation: 'g1', streamCount: 1, redundancy: 1 }
const STREAM = streamName(PREFIX, PLAN, 0)

async function serverOf(t: Test, options = {}): Promise<[NatsServer, JetStreamWorld]> {
  const server = await startNatsServer(options)
  t.teardown(() => server.stop())
  return [server, new JetStreamWorld(t, [server.url])]
}

function failed(errCode: number, description: string): string {
  return JSON.stringify({ error: { code: 400, err_code: errCode, description }, stream: STREAM })
}

const ANSWERS: readonly [string, AppendOutcome][] = [
  [JSON.stringify({ stream: STREAM, seq: 12 }), { kind: 'appended', seq: 12 }],
  [failed(10071, 'wrong last sequence: 41'), { kind: 'conflict', lastSeq: 41 }],
  [failed(10071, 'wrong last sequence: 0'), { kind: 'conflict', lastSeq: 0 }],
  [failed(10071, 'wrong last sequence'), { kind: 'conflict', lastSeq: 77 }],
  [failed(10164, 'wrong last sequence'), { kind: 'busy' }],
  [failed(10163, 'temporarily unavailable'), { kind: 'busy' }],
  ...[10002, 10023, 10028, 10047, 10054, 10120, 10167].map((code): [string, AppendOutcome] => {
    return [failed(code, 'full'), { kind: 'refused', reason: '' }]
  }),
  ...[10077, 10008, 10009, 10118, 1].map((code): [string, AppendOutcome] => {
    return [failed(code, 'store failed'), { kind: 'unknown', reason: '' }]
  }),
  [JSON.stringify({ stream: 'OTHER', seq: 12 }), { kind: 'unknown', reason: '' }],
  [JSON.stringify({ stream: STREAM }), { kind: 'unknown', reason: '' }],
  ['pong', { kind: 'unknown', reason: '' }],
  ['', { kind: 'unknown', reason: '' }]
]

t.test('[1] only what proves that nothing was stored is called refused', { skip }, async (t) => {
  const [, world] = await serverOf(t)
  const fake = await world.join()
  const heard: Msg[] = []
  fake.subscribe(partitionSubject(PREFIX, PLAN, 0), {
    callback: (_, message) => {
      heard.push(message)
      message.respond(bytesOf(ANSWERS[heard.length - 1]![0]))
    }
  })
  fake.subscribe(`$JS.API.STREAM.MSG.GET.${STREAM}`, {
    callback: (_, message) => void message.respond(bytesOf('{"message":{"seq":77}}'))
  })
  await fake.flush()
  const log = await world.log(PLAN)
  for (const [answer, wanted] of ANSWERS) {
    const outcome = await log.append(0, 9, bytesOf('words'))
    t.equal(outcome.kind, wanted.kind, `${answer} is ${wanted.kind}`)
    if (wanted.kind === 'appended' || wanted.kind === 'conflict') t.same(outcome, wanted)
    else if (outcome.kind === 'refused' || outcome.kind === 'unknown') t.ok(outcome.reason)
  }
  t.equal(heard.length, ANSWERS.length)
  t.equal(heard[0]!.headers?.get('Nats-Expected-Last-Subject-Sequence'), '9')
})

t.test('[1] nobody there, no view, no right: refused, and unreadable', { skip }, async (t) => {
  const [, world] = await serverOf(t, {
    jetstream: true,
    config: 'authorization { users: [{ user: all, password: p }, ' +
      '{ user: some, password: p, permissions: { publish: { deny: ["ringcast.>"] } } }] }'
  })
  const all = { user: 'all', pass: 'p' }
  const log = await world.log(PLAN, all)
  t.match(await log.append(0, 0, bytesOf('x')), { kind: 'refused', reason: /nobody/ })
  t.match(await log.read(0, 1), { kind: 'unreadable', reason: /nobody/ })
  await log.trim(0, 5)
  const early = new JetStreamLog(await world.join(all), PREFIX)
  t.match(await early.append(0, 0, bytesOf('x')), { kind: 'refused', reason: /no log/ })
  t.match(await early.read(0, 1), { kind: 'unreadable', reason: /no log/ })
  await (await world.streams(all)).make(PLAN)
  const limited = await world.log(PLAN, { user: 'some', pass: 'p' })
  t.match(await limited.append(0, 0, bytesOf('x')), { kind: 'refused', reason: /right/ })
  t.same(await readAll(log, 0), [], 'and indeed nothing was stored')
})

t.test('[1] a full account and too large a record store nothing', { skip }, async (t) => {
  const [, world] = await serverOf(t, {
    jetstream: true,
    config: 'accounts { A { jetstream { max_file: 65MB }, users: [{ user: a, password: p }] } }'
  })
  const account = { user: 'a', pass: 'p' }
  await (await world.streams(account)).make(PLAN)
  const log = await world.log(PLAN, account)
  t.match(await log.append(0, 0, new Uint8Array(2 * 1024 * 1024)), { kind: 'refused' })
  const acknowledged: number[] = []
  const large = new Uint8Array(900_000)
  let outcome = await log.append(0, 0, large)
  while (outcome.kind === 'appended' && acknowledged.length < 100) {
    acknowledged.push(outcome.seq)
    outcome = await log.append(0, acknowledged.at(-1)!, large)
  }
  t.match(outcome, { kind: 'refused', reason: /limit/ })
  t.ok(acknowledged.length > 50)
  t.same((await readAll(log, 0)).map(({ seq }) => seq), acknowledged)
  await log.trim(0, acknowledged.at(-1)!)
  await stored(log, 0, acknowledged.at(-1)!, 'there is room again')
})

t.test('[A3] an append that was sent and not answered is unknown', { skip }, async (t) => {
  const [, world] = await serverOf(t)
  const mute = await world.join()
  let heardCount = 0
  mute.subscribe(`${PREFIX}.log.>`, { callback: () => void heardCount++ })
  await mute.flush()
  t.match(await (await world.log(PLAN)).append(0, 0, bytesOf('x')), { kind: 'unknown' })
  const connection = await world.join()
  const log = new JetStreamLog(connection, PREFIX)
  log.use(PLAN)
  const cut = log.append(1, 0, bytesOf('y'))
  await until('it was sent', async () => heardCount === 2)
  await connection.close()
  t.match(await cut, { kind: 'unknown', reason: /closed|lost/ })
})

t.test('[C6] a lost connection: unknown at once, refused while away, then whole', { skip },
  async (t) => {
    const [, world] = await serverOf(t, { jetstream: true })
    await world.make(PLAN)
    const connection = await world.join()
    const log = new JetStreamLog(connection, PREFIX)
    log.use(PLAN)
    let lastSeq = await storedAll(log, 0, ['one', 'two'])
    // Cut by this side, with answers on their way: whether they were stored is not known here.
    const outcomes = [1, 2, 3].map((partition) => log.append(partition, 0, bytesOf('under way')))
    await connection.reconnect()
    for (const outcome of await Promise.all(outcomes)) {
      t.ok(['appended', 'unknown', 'refused'].includes(outcome.kind), outcome.kind)
    }
    await until('it goes on', async () => {
      const outcome = await log.append(0, lastSeq, bytesOf('three'))
      if (outcome.kind === 'appended') lastSeq = outcome.seq
      return outcome.kind === 'appended' || outcome.kind === 'conflict'
    })
    t.same(await wordsIn(log, 0), ['one', 'two', 'three'])
    await connection.close()
    t.match(await log.append(0, lastSeq, bytesOf('four')), { kind: 'refused' })
    t.match(await log.read(0, 1), { kind: 'unreadable' })
  })

t.test('[6] a page with a lost part is no page', { skip }, async (t) => {
  const [, world] = await serverOf(t)
  const fake = await world.join()
  const subject = partitionSubject(PREFIX, PLAN, 0)
  let parts: readonly (readonly [seq: number, before: number])[] = []
  let end: readonly [before: number, pending: number] | undefined
  fake.subscribe(`$JS.API.DIRECT.GET.${STREAM}`, {
    callback: (_, request) => {
      for (const [seq, before] of parts) {
        const head = headers()
        head.set('Nats-Subject', subject)
        head.set('Nats-Sequence', String(seq))
        head.set('Nats-Last-Sequence', String(before))
        request.respond(bytesOf(`at ${seq}`), { headers: head })
      }
      if (end === undefined) return
      const head = headers(204, 'EOB')
      head.set('Nats-Last-Sequence', String(end[0]))
      head.set('Nats-Num-Pending', String(end[1]))
      request.respond(new Uint8Array(), { headers: head })
    }
  })
  await fake.flush()
  const log = await world.log(PLAN)
  const read = async (
    ...[given, last]: [typeof parts, typeof end]
  ): Promise<string> => {
    parts = given
    end = last
    const outcome = await log.read(0, 1)
    return outcome.kind === 'page' ? `${outcome.records.length} ${outcome.isEnd}` : outcome.kind
  }
  t.equal(await read([[3, 0], [8, 3]], [8, 0]), '2 true')
  t.equal(await read([[3, 0], [8, 3]], [8, 4]), '2 false')
  t.equal(await read([[8, 3]], [8, 0]), 'unreadable', 'the first was lost')
  t.equal(await read([[3, 0], [9, 8]], [9, 0]), 'unreadable', 'one between was lost')
  t.equal(await read([[3, 0]], [8, 0]), 'unreadable', 'the last was lost')
  t.equal(await read([[3, 0], [3, 3]], [3, 0]), 'unreadable', 'one came twice')
  t.equal(await read([[3, 0]], undefined), 'unreadable', 'the end was lost')
})

t.test('a server that is away is told from a log that is empty', { skip }, async (t) => {
  const [server, world] = await serverOf(t, { jetstream: true })
  await world.make(PLAN)
  const log = await world.log(PLAN)
  await stored(log, 0, 0, 'one')
  await server.process.kill()
  await until('noticed', async () => (await log.read(0, 1)).kind === 'unreadable')
  t.match(await log.append(0, 1, bytesOf('two')), { kind: /refused|unknown/ })
})
