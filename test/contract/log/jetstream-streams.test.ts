/** The streams behind the log: made once, looked at, and never made again in silence. */

import t, { type Test } from 'tap'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import { streamName } from '../../../src/store/log-names.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld, PREFIX } from './jetstream-world.ts'
import { storedAll, wordsIn } from './log-contract.ts'

const skip = missingTools('nats-server')
const PLAN: LogPlan = { generation: 'g1', streamCount: 2, redundancy: 1 }
const FIRST = streamName(PREFIX, PLAN, 0)

async function worldOf(t: Test, config?: string, jetstream = true): Promise<JetStreamWorld> {
  const server = await startNatsServer({ jetstream, config })
  t.teardown(() => server.stop())
  return new JetStreamWorld(t, [server.url])
}

t.test('[1] streams are made once; a repeat changes nothing', { skip }, async (t) => {
  const world = await worldOf(t)
  const streams = await world.streams()
  t.match(await streams.check(PLAN), new RegExp(`${FIRST} is missing`))
  t.equal(await streams.make(PLAN), undefined)
  t.equal(await streams.check(PLAN), undefined)
  await storedAll(await world.log(PLAN), 0, ['one', 'two'])
  t.equal(await streams.make(PLAN), undefined)
  t.same(await wordsIn(await world.log(PLAN), 0), ['one', 'two'])
  t.match(await streams.check({ ...PLAN, generation: 'g2' }), /missing/)
  const manager = await (await world.join()).jetstreamManager()
  const { config } = await manager.streams.info(FIRST)
  t.match(config, {
    storage: 'file', discard: 'new', max_age: 0, max_msgs: -1, max_bytes: -1,
    max_msgs_per_subject: -1, allow_direct: true, num_replicas: 1
  })
  t.same(config.subjects, ['ringcast.test.uid.log.g1.0.*'])
})

t.test('[1] a log of another generation is another log', { skip }, async (t) => {
  const world = await worldOf(t)
  const next = { ...PLAN, generation: 'g2' }
  const streams = await world.streams()
  t.equal(await streams.make(PLAN), undefined)
  t.equal(await streams.make(next), undefined)
  await storedAll(await world.log(PLAN), 5, ['old'])
  t.same(await wordsIn(await world.log(next), 5), [])
})

t.test('[1] a stream that somebody changed or deleted is named', { skip }, async (t) => {
  const world = await worldOf(t)
  const streams = await world.streams()
  await streams.make(PLAN)
  const manager = await (await world.join()).jetstreamManager()
  await manager.streams.update(FIRST, { max_age: 180_000_000_000 })
  t.match(await streams.check(PLAN), /max_age is 180000000000 instead of 0/)
  t.match(await streams.make(PLAN), /cannot be made/)
  await manager.streams.update(FIRST, { max_age: 0 })
  t.equal(await streams.check(PLAN), undefined)
  await manager.streams.update(FIRST, { max_msgs_per_subject: 5 })
  t.match(await streams.check(PLAN), /max_msgs_per_subject/)
  await manager.streams.delete(FIRST)
  t.match(await streams.check(PLAN), new RegExp(`${FIRST} is missing`))
  t.match(await streams.setCopies(PLAN), /missing/, 'to change copies makes no stream')
  t.match(await streams.check(PLAN), /missing/)
})

t.test('more copies than servers: said in words', { skip }, async (t) => {
  const world = await worldOf(t)
  const streams = await world.streams()
  t.match(await streams.make({ ...PLAN, redundancy: 3 }), /redundancy 3 needs as many NATS servers/)
  t.equal(await streams.make(PLAN), undefined)
  t.match(await streams.setCopies({ ...PLAN, redundancy: 3 }), /redundancy 3/)
  t.equal(await streams.check({ ...PLAN, redundancy: 3 }), undefined, 'it serves as it is')
})

t.test('an account that is too small, or may not, is named before it is used', { skip },
  async (t) => {
    const denied = {
      maker: '$JS.API.STREAM.CREATE.>', writer: 'ringcast.>', reader: '$JS.API.DIRECT.GET.>',
      asker: '$JS.API.STREAM.MSG.GET.>', trimmer: '$JS.API.STREAM.PURGE.>'
    }
    const world = await worldOf(t, [
      'accounts {',
      '  SMALL { jetstream { max_file: 32MB }, users: [{ user: small, password: p }] }',
      '  FEW { jetstream { max_streams: 1 }, users: [{ user: few, password: p }] }',
      '  NONE { users: [{ user: none, password: p }] }',
      '  SOME { jetstream: enabled, users: [',
      ...Object.entries(denied).map(([user, subject]) =>
        `    { user: ${user}, password: p, permissions { publish: { deny: ["${subject}"] } } }`),
      '  ] }',
      '}'
    ].join('\n'))
    const problemOf = async (user: string): Promise<string | undefined> => {
      return (await world.streams({ user, pass: 'p' })).make(PLAN)
    }
    t.match(await problemOf('small'), /may store 33554432 bytes/)
    t.match(await problemOf('few'), /may have 1 streams/)
    t.match(await problemOf('none'), /JetStream cannot be asked/)
    for (const user of Object.keys(denied)) {
      t.match(await problemOf(user), /no right to publish to (\$JS|ringcast)\./, user)
      t.match(await (await world.streams({ user, pass: 'p' })).check(PLAN),
        user === 'maker' ? /missing/ : /no right/, user)
    }
  })

t.test('a NATS without JetStream is named', { skip }, async (t) => {
  const world = await worldOf(t, undefined, false)
  t.match(await (await world.streams()).make(PLAN), /JetStream cannot be asked/)
  t.match(await (await world.streams()).check(PLAN), /cannot be looked at/)
})
