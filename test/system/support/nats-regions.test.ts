import t, { type Test } from 'tap'
import { connect, type NatsConnection } from 'nats'
import { until } from '../../support/ably-clients.ts'
import { NatsRegions } from '../../support/nats-regions.ts'
import { missingTools } from '../../support/tools.ts'

const skip = missingTools('nats-server')
if (skip !== false) console.log(`# ${skip}`)
const NAMES = ['eu', 'us', 'ap']
const BOUND_MS = 60_000

interface Side {
  readonly connection: NatsConnection
  /** The subjects of what came. */
  readonly heard: Set<string>
}

t.test('regions joined by relays', { skip, timeout: 180_000 }, async (t) => {
  const regions = await NatsRegions.start(NAMES, () => 20)
  t.teardown(() => regions.stop())
  const sides = new Map<string, Side>()
  for (const name of NAMES) sides.set(name, await sideOf(t, regions, name))
  let round = 0
  /** Says something in one region, again and again, until it is heard in the other. */
  const passes = async (from: string, to: string): Promise<void> => {
    const subject = `x.${from}.${++round}`
    await until(`${from} is heard in ${to}`, () => {
      sides.get(from)!.connection.publish(subject)
      return sides.get(to)!.heard.has(subject)
    }, BOUND_MS)
  }
  /** What `from` says now is heard in `witness`, and not in `to`. */
  const isLost = async (from: string, to: string, witness: string): Promise<boolean> => {
    const subject = `x.${from}.${++round}`
    sides.get(from)!.connection.publish(subject)
    await until(`${from} is heard in ${witness}`, () => sides.get(witness)!.heard.has(subject))
    return !sides.get(to)!.heard.has(subject)
  }
  const allPass = async (): Promise<void> => {
    for (const from of NAMES) for (const to of NAMES) await passes(from, to)
  }

  await allPass()
  const manager = await sides.get('eu')!.connection.jetstreamManager()
  await manager.streams.add({ name: 'one', subjects: ['kept.>'] })
  const other = await sides.get('us')!.connection.jetstreamManager()
  t.same(await other.streams.list().next(), [], 'each has a JetStream of its own')

  regions.cut('eu', 'us', true)
  t.ok(await isLost('eu', 'us', 'ap'), 'cut one way')
  await passes('us', 'eu')
  regions.heal()
  await allPass()
  regions.swallow('eu', 'us')
  t.ok(await isLost('eu', 'us', 'ap'))
  t.ok(await isLost('us', 'eu', 'ap'), 'lost without a word')
  regions.heal()
  await allPass()
})

async function sideOf(t: Test, regions: NatsRegions, name: string): Promise<Side> {
  const connection = await connect({ servers: regions.serverOf(name).url })
  t.teardown(() => connection.close())
  const heard = new Set<string>()
  connection.subscribe('x.>', { callback: (_, { subject }) => void heard.add(subject) })
  return { connection, heard }
}
