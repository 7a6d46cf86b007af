import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { EmbeddedArchive, PortArchive } from '../../../src/store/embedded-archive.ts'
import { JetStreamArchive } from '../../../src/store/jetstream-archive.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld, PREFIX } from '../log/jetstream-world.ts'
import { bytesOf, text } from '../log/log-contract.ts'
import { archiveContract, kept } from './archive-contract.ts'

const PLAN = { generation: 'g1', streamCount: 3, redundancy: 1 }
const SHELF = { partition: 1, channel: 'app/a', of: 'messages' as const }

t.test('the embedded archive', async (t) => {
  const archive = new EmbeddedArchive()
  t.teardown(() => archive.close())
  await archiveContract(t, { open: async () => archive })
})

t.test('the embedded archive by a port', async (t) => {
  const archive = new EmbeddedArchive()
  t.teardown(() => archive.close())
  await archiveContract(t, {
    open: async () => {
      const { port1, port2 } = new MessageChannel()
      archive.serve(port1)
      t.teardown(() => port2.close())
      return new PortArchive(port2)
    }
  })
})

t.test('[22] the file of an embedded archive has what was in it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-archive-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'history.db')
  const first = new EmbeddedArchive(path)
  const seq = await kept(first, SHELF, 0, 'a')
  first.close()
  const second = new EmbeddedArchive(path)
  t.teardown(() => second.close())
  const last = await second.last(SHELF)
  t.same(last.kind === 'record' && text(last.record!.bytes), 'a')
  t.ok(await kept(second, SHELF, seq, 'b') > seq)
})

t.test('[22] a full embedded archive refuses, and keeps what it has', async (t) => {
  const archive = new EmbeddedArchive(':memory:', Date.now, 200_000)
  t.teardown(() => archive.close())
  let seq = 0
  for (;;) {
    const outcome = await archive.append(SHELF, seq, new Uint8Array(10_000), 3_600_000)
    if (outcome.kind !== 'appended') {
      t.match(outcome, { kind: 'refused', reason: /full/ })
      break
    }
    seq = outcome.seq
  }
  t.ok(seq > 3)
  t.match(await archive.append(SHELF, seq, new Uint8Array(10_000), 1), { kind: 'refused' })
  const page = await archive.page(SHELF, 1, 100)
  t.equal(page.kind === 'page' && page.records.length, seq)
})

const skip = missingTools('nats-server')

t.test('the replicated archive on one server', { skip }, async (t) => {
  const server = await startNatsServer({ jetstream: true })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url])
  await world.make(PLAN)
  await archiveContract(t, { open: () => world.archive(PLAN) })
  await t.test('[22] before the view names a log nothing is there', async (t) => {
    const archive = new JetStreamArchive(await world.join(), PREFIX)
    t.match(await archive.last(SHELF), { kind: 'unreadable' })
    t.match(await archive.next(SHELF, 1), { kind: 'unreadable' })
    t.match(await archive.page(SHELF, 1, 1), { kind: 'unreadable' })
    t.match(await archive.append(SHELF, 0, bytesOf('x'), 1_000), { kind: 'refused' })
  })
})
