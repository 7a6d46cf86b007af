/** How full the log is, as a real server tells it. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { ampleRoom, type LogFill, roomOf } from '../../../src/log/room.ts'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import { JetStreamArchive } from '../../../src/store/jetstream-archive.ts'
import { EmbeddedLog } from '../../../src/store/embedded.ts'
import { JetStreamScale } from '../../../src/store/jetstream-fill.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'
import { kept } from '../archive/archive-contract.ts'
import { JetStreamWorld, PREFIX } from './jetstream-world.ts'

const skip = missingTools('nats-server')
const PLAN: LogPlan = { generation: 'g1', streamCount: 2, redundancy: 1 }
const RECORD = new Uint8Array(100_000)

t.test('[6] what is stored counts for its stream and the account', { skip }, async (t) => {
  const config =
    'accounts { A { jetstream { max_file: 200MB }, users: [{ user: a, password: p }] } }'
  const server = await startNatsServer({ jetstream: true, config })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url], { user: 'a', pass: 'p' })
  await world.make(PLAN)
  const scale = new JetStreamScale(await world.join(), PREFIX, 1_000_000)
  t.equal(await scale.fill(undefined), undefined, 'there is none yet')
  const empty = await scale.fill(PLAN) as LogFill
  t.match(empty, {
    streams: [{ bytes: 0, bytesMax: 500_000 }, { bytes: 0, bytesMax: 500_000 }],
    account: { bytes: 0, bytesMax: 200 * 1024 * 1024 }
  })
  const log = await world.log(PLAN)
  for (let lastSeq = 0; lastSeq < 4; lastSeq++) await log.append(3, lastSeq, RECORD)
  const fill = await scale.fill(PLAN) as LogFill
  t.equal(fill.streams[0]!.bytes, 0)
  t.ok(fill.streams[1]!.bytes > 400_000, 'partition 3 is in the second stream')
  t.equal(fill.account.bytes, fill.streams[1]!.bytes)
  t.same(roomOf(fill, ampleRoom).isFull, [false, true])

  await log.trim(3, 4)
  t.same(roomOf(await scale.fill(PLAN) as LogFill, ampleRoom).isFull, [false, false])
})

t.test('[22] in an account without a limit history leaves room to the log', { skip }, async (t) => {
  // As the operator configures a region's own servers.
  const config = 'accounts { MESH { jetstream: enabled, users: [{ user: a, password: p }] } }'
  const server = await startNatsServer({ jetstream: true, config })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url], { user: 'a', pass: 'p' })
  await world.make(PLAN)
  const archive = new JetStreamArchive(await world.join(), PREFIX)
  archive.use(PLAN)
  const scaleOf = async (bytesMax: number) =>
    new JetStreamScale(await world.join(), PREFIX, bytesMax)
  const scale = await scaleOf(1_000_000)
  const shelf = { partition: 2, channel: 'app/a', of: 'messages' as const }
  let seq = 0
  for (let count = 0; count < 6; count++) seq = await kept(archive, shelf, seq, 'x'.repeat(100_000))
  const log = await world.log(PLAN)
  for (let lastSeq = 0; lastSeq < 2; lastSeq++) await log.append(3, lastSeq, RECORD)

  const fill = await scale.fill(PLAN) as LogFill
  t.equal(fill.account.bytesMax, 1_000_000)
  t.ok(fill.account.bytes > 800_000, 'logs and history together')
  const room = roomOf(fill, ampleRoom)
  t.same([room.isArchiveFull, room.isFull], [true, [true, true]])
  await log.trim(3, 2)
  const trimmed = roomOf(await scale.fill(PLAN) as LogFill, ampleRoom)
  t.same([trimmed.isArchiveFull, trimmed.isFull], [true, [false, false]], 'history alone stops')

  const unbounded = await (await scaleOf(Infinity)).fill(PLAN) as LogFill
  t.equal(unbounded.account.bytesMax, Infinity, 'what the server says of such an account')
})

t.test('[6] a log that is not there is a problem in words', { skip }, async (t) => {
  const server = await startNatsServer({ jetstream: true })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url])
  const scale = new JetStreamScale(await world.join(), PREFIX, Infinity)
  t.match(await scale.fill(PLAN), /g1_L0: stream not found/)
})

t.test('[6] the embedded log counts what it holds, and admits up to the same share', async (t) => {
  const log = new EmbeddedLog(1_000_000)
  let lastSeq = 0
  while (roomOf(await log.fill(), ampleRoom).isFull[0] !== true) {
    t.match(await log.append(7, lastSeq++, RECORD), { kind: 'appended' })
  }
  t.equal(lastSeq, 1_000_000 * limits.logAdmissionShare / RECORD.byteLength)
  t.match(await log.append(8, 0, RECORD), { kind: 'appended' }, 'the rest is for what trims')
  await log.trim(7, lastSeq)
  t.same(roomOf(await log.fill(), ampleRoom).isFull, [false])
})
