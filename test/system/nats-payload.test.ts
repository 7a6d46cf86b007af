/** A NATS that takes less at once than nodes have to say is not joined, and nodes say why. */

import t from 'tap'
import { NatsMesh } from '../../src/bus/nats.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { until } from '../support/ably-clients.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('nats-server')

t.test('[10] a NATS whose max_payload is too small is waited for', { skip }, async (t) => {
  const small = await startNatsServer({ config: 'max_payload: 65536' })
  t.teardown(() => small.stop())
  const abort = new AbortController()
  let ups = 0
  const noted: string[] = []
  const settings = { servers: [small.url], name: 'test' }
  const joining = NatsMesh.connect(settings, {
    onUp: () => void ups++, onDown: () => undefined, note: (text) => void noted.push(text)
  }, abort.signal)
  await until('it is noted', () => noted.length > 0)
  t.match(noted[0], /cannot be used: its max_payload is 65536 bytes, and at least 1048576 are/)
  t.equal(ups, 0)
  abort.abort()
  await t.rejects(joining, { message: /stopped/ })
})

t.test('[10] one that has the usual one is joined', { skip }, async (t) => {
  const usual = await startNatsServer()
  t.teardown(() => usual.stop())
  const events = { onUp: () => undefined, onDown: () => undefined, note: t.fail }
  const settings = { servers: [usual.url], name: 'test' }
  const mesh = await NatsMesh.connect(settings, events, new AbortController().signal)
  t.ok(mesh.isUp)
  await mesh.close()
})
