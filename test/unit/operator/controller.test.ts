/*
Whom a change wakes, against an API double.
*/

import t from 'tap'
import { KubeClient } from '../../../src/kube/client.ts'
import { OperatorController } from '../../../src/operator/controller.ts'
import { ApiDouble } from '../../support/api-double.ts'
import { until } from '../kube/fake-timers.ts'

const world = { name: 'acme', secretName: 'acme-world' }

async function start (): Promise<ApiDouble> {
  const double = await ApiDouble.start()
  const client = new KubeClient({
    credentials: {
      server: double.url, authorization: async () => ({ headers: {} }), refresh: () => {}
    },
    userAgent: 'test'
  })
  const controller = new OperatorController({
    client,
    defaults: { nodeImage: 'ringcast:1', natsImage: 'nats:2' },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    identity: 'a',
    onLost: () => {},
    askRestart: async () => ({ isAllowed: true }),
    askClients: async () => undefined
  })
  controller.start()
  t.teardown(async () => {
    await controller.stop()
    client.close()
    await double.stop()
  })
  return double
}

t.test('mates hear of it when nodes are in another world', { timeout: 20_000 }, async t => {
  const double = await start()
  let generation = 0
  const putRegion = (namespace: string, name: string, inWorld: object): void => {
    const known = double.find('realtimeregions', name, namespace)
    double.put('realtimeregions', {
      ...known,
      apiVersion: 'ringcast.dev/v1alpha1',
      kind: 'RealtimeRegion',
      metadata: {
        namespace, name, uid: `uid-of-${name}`, creationTimestamp: '2030-01-01T00:00:00Z',
        generation: ++generation
      },
      spec: { nodes: 1, redundancy: 1, world: inWorld }
    })
  }
  const putSecret = (namespace: string, name: string): void => {
    const data = { password: Buffer.from('k'.repeat(24)).toString('base64') }
    double.put('secrets', { kind: 'Secret', metadata: { namespace, name }, data })
  }
  const peersOfEu = (): string => {
    const { data } = double.find('configmaps', 'eu-globalmaster', 'one') ?? {} as any
    const { peers = [] } = JSON.parse(data?.['world.json'] ?? '{}')
    return peers.map(({ region }: { region: string }) => region).join()
  }
  const reasonOfUs = (): string | undefined => {
    const status = double.find('realtimeregions', 'us', 'two')?.status as any
    return status?.conditions?.find(({ type }: any) => type === 'ConfigApplied')?.reason
  }
  for (const namespace of ['one', 'two']) putSecret(namespace, world.secretName)
  putRegion('one', 'eu', world)
  putRegion('two', 'us', world)
  await until(() => peersOfEu() === 'us' && reasonOfUs() === 'Applied')
  putRegion('two', 'us', { name: 'other', secretName: 'later' })
  await until(() => reasonOfUs() === 'WorldSecretUnusable')
  t.equal(peersOfEu(), 'us')
  putSecret('two', 'later')
  await until(() => peersOfEu() === '' && reasonOfUs() === 'Applied')
})
