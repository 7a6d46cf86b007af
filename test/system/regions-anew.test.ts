/*
Two regions of real nodes, one of which is made anew under its name while the other serves: its ring
and all that its NATS held are gone. Nobody has to help: the two hear each other again, whoever may
have missed something is told so, and members of the former one leave.
*/

import { connect } from 'nats'
import t, { type Test } from 'tap'
import { RINGS } from '../../src/commands/kube-access.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { apiServerTools } from '../support/api-server.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { missingTools } from '../support/tools.ts'
import { until } from './node-rig.ts'
import { clientOf } from './operator-rig.ts'
import { HEALED_MS, RegionsRig, type RigRegion } from './regions-rig.ts'
import { Talk } from './regions-talk.ts'
import { KEY } from './rig-app.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

const NAMES = ['eu', 'us']
const CHANNELS = ['talk', 'kept:talk']
const ROUND_TRIP_MS = 60
const [ATTACH, ATTACHED] = [10, 11]
const RESUMED = 1 << 2

t.test('[W12] a region that is made anew', { skip, timeout: 240_000 }, async (t) => {
  const rig = await RegionsRig.start(t, NAMES, () => ROUND_TRIP_MS)
  const us = rig.regions[1]!
  const talk = await Talk.begin(t, rig, CHANNELS)
  await talk.say(10)
  await talk.wholeIn(t)
  await present(t, rig, 'former')
  const { channelSerial } = await attached(t, us.nodes[0]!.url)

  await us.nodes[0]!.process.kill()
  await us.rig.deletePod(0)
  await makeAnew(t, rig, us)
  await talk.say(5, ['eu'])
  us.nodes[0] = await us.rig.startReadyNode(0)
  await rig.untilAcquainted()
  await talk.goesOn()
  t.equal(talk.missing(t, 'eu', 'eu'), 0, 'eu was never away')
  for (const [at, of] of [['eu', 'us'], ['us', 'eu'], ['us', 'us']] as const) {
    talk.missing(t, at, of)
  }
  await present(t, rig, 'later', ['former of eu', 'former of us'])
  for (const { nodes } of rig.regions) {
    const { flags = 0, error } = await attached(t, nodes[0]!.url, channelSerial)
    t.equal(error?.code, 90003, 'nobody knows what came after a place in its former log')
    t.equal(flags & RESUMED, 0)
  }
})

/** A member more in each region; waits until all are present everywhere, beside those of before. */
async function present(
  t: Test, rig: RegionsRig, name: string, before: readonly string[] = []
): Promise<void> {
  const channels = await Promise.all(NAMES.map(async (region) => {
    const channel = rig.client(t, region, { clientId: `${name} of ${region}` }).channels.get('room')
    await channel.presence.enter()
    return channel
  }))
  const wanted = [...before, ...NAMES.map((region) => `${name} of ${region}`)].sort().join()
  for (const [at, { presence }] of channels.entries()) {
    await until(`${wanted} present in ${NAMES[at]}`, async () => {
      const members = await presence.get()
      return members.map(({ clientId }) => clientId).sort().join() === wanted
    }, HEALED_MS)
  }
}

/** What a socket is told that attaches, from a place if one is given. */
async function attached(t: Test, url: string, channelSerial?: string) {
  const socket = await PlainSocket.connected(t, url, { params: { key: KEY } })
  socket.send({ action: ATTACH, channel: 'talk', channelSerial })
  return await socket.next(({ action }) => action === ATTACHED)
}

/** Its nodes have ended; nothing is left of their ring, nor of what they stored. */
async function makeAnew(t: Test, { nats }: RegionsRig, { name, rig }: RigRegion): Promise<void> {
  const client = await clientOf(rig.api)
  t.teardown(() => client.close())
  const target = { namespace: name, name }
  const ring = await client.get<KubeObject & { spec: object }>(RINGS, target)
  await client.remove(RINGS, target)
  const connection = await connect({ servers: nats.serverOf(name).url })
  const manager = await connection.jetstreamManager()
  for (const { config } of await manager.streams.list().next()) {
    await manager.streams.delete(config.name)
  }
  await connection.close()
  const { apiVersion, kind, spec } = ring!
  const made = { apiVersion, kind, metadata: target, spec }
  await client.create(RINGS, made)
}
