import t from 'tap'
import { withApps, worldJsonOf } from '../../../src/operator/world.ts'
import type { WorldFacts } from '../../../src/operator/world.ts'
import type { WorldSpec } from '../../../src/operator/spec.ts'
import { readWorldFile } from '../../../src/ops/world-file.ts'

const world: WorldSpec = {
  name: 'acme',
  secretName: 'acme-world',
  isDraining: false,
  globalmaster: { replicas: 1, resources: {} },
  limits: {
    unreachableAfterSeconds: 30, drainedClientsPerSecond: 500, lostRegionGraceSeconds: 60
  }
}
const facts: WorldFacts = {
  peers: [
    { region: 'ap', object: 'asia/ap', ring: { uid: 'r2', madeAtMs: 20 }, address: 'ap:7222' },
    { region: 'us', address: 'us.example:7222' }
  ],
  ring: { uid: 'r1', madeAtMs: 10 },
  generation: 4,
  apps: { AbC123: '0123456789abcdef' },
  hasTls: true,
  secretDigest: 'digest of a secret'
}

t.test('what the operator writes is what a globalmaster reads', async (t) => {
  t.same(readWorldFile(worldJsonOf('eu', world, facts)), {
    generation: 4,
    config: {
      world: 'acme',
      region: 'eu',
      ringUid: 'r1',
      madeAtMs: 10,
      unreachableAfterMs: 30_000,
      peers: [
        { region: 'ap', object: 'asia/ap', ringUid: 'r2', madeAtMs: 20 }, { region: 'us' }
      ],
      apps: new Map([['AbC123', '0123456789abcdef']])
    }
  })
})

t.test('of a region that is held, apps alone are told on, or that nobody can tell', async (t) => {
  const held = JSON.parse(worldJsonOf('eu', world, facts))
  const known = readWorldFile(worldJsonOf('eu', world, facts)).config
  const unknown = JSON.parse(withApps(held, undefined))
  t.same(readWorldFile(JSON.stringify(unknown)).config, { ...known, areAppsUnknown: true })
  const apps = new Map([['AbC123', 'another']])
  t.same(readWorldFile(withApps(unknown, { AbC123: 'another' })).config, { ...known, apps })
})

t.test('until the ring is made there is nothing to begin with', async (t) => {
  const { ring: _, ...without } = facts
  t.equal(readWorldFile(worldJsonOf('eu', world, without)).config, undefined)
})

t.test('it holds no secret', async (t) => {
  t.notMatch(worldJsonOf('eu', world, facts), /secret/)
})

t.test('what makes no sense is said', async (t) => {
  for (const text of ['', '{', '[]', '{"world":"acme"}']) t.throws(() => readWorldFile(text))
})
