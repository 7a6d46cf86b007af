/**
 * A region on real pods: the chart, the operator, the nodes and NATS as users run them, and the
 * published SDK against them. Prints how long it took from `kubectl apply` to the first message.
 * What they bear is in faults.test.ts.
 */

import t, { type Test } from 'tap'
import { Cluster } from '../cluster/cluster.ts'
import { apiKey, applyExample, installChart } from '../cluster/install.ts'
import { clusterObstacles } from '../cluster/prerequisites.ts'
import { ablyClient, until } from '../support/ably-clients.ts'

const POD_BOUND_MS = 60_000

const options = { skip: clusterObstacles(), timeout: 1_200_000 }

t.test('a region on a real cluster', options, async (t) => {
  const cluster = await Cluster.start({ name: 'e2e', report: (line) => console.log(`# ${line}`) })
  t.teardown(() => cluster.stop())
  await installChart(cluster.kubeconfigPath, false)
  const appliedAtMs = performance.now()
  await applyExample(cluster.kubeconfigPath)
  const key = await apiKey(cluster.kubeconfigPath)
  const world = { cluster, key, url: await serviceUrl(t, cluster) }
  t.test('the first message', (t) => firstMessage(t, world, appliedAtMs))
  for (const useBinaryProtocol of [false, true]) {
    const name = useBinaryProtocol ? 'MessagePack' : 'JSON'
    t.test(`1,000 messages from node 0 to node 2, ${name}`, (t) =>
      betweenNodes(t, world, useBinaryProtocol))
  }
  t.test('helm test publishes and receives', async (t) => {
    await cluster.helm(['test', 'ringcast', '--namespace', 'ringcast', '--timeout', '3m'])
    t.pass('it did')
  })
  t.test('a key of the RealtimeApp comes and goes', (t) => liveKey(t, world))
  t.test('kubectl scale to 4 and back to 3', (t) => scale(t, world))
  t.test('kubectl delete removes everything', (t) => removal(t, world))
})

interface World {
  readonly cluster: Cluster
  readonly key: string
  readonly url: string
}

async function serviceUrl(t: Test, cluster: Cluster): Promise<string> {
  const forward = await cluster.forward(await cluster.serviceTarget('default', 'main', 80))
  t.teardown(() => forward.close())
  return `http://127.0.0.1:${forward.port}`
}

async function podUrl(t: Test, cluster: Cluster, pod: string): Promise<string> {
  const host = await cluster.kubectl(['get', 'pod', pod, '-o', 'jsonpath={.status.podIP}'])
  const forward = await cluster.forward({ host, port: 8080 })
  t.teardown(() => forward.close())
  return `http://127.0.0.1:${forward.port}`
}

async function firstMessage(t: Test, { url, key }: World, appliedAtMs: number): Promise<void> {
  const channel = ablyClient(t, url, key).channels.get('first')
  let isHeard = false
  await channel.subscribe(() => {
    isHeard = true
  })
  await channel.publish('n', 'x')
  await until('heard', () => isHeard)
  const tookS = ((performance.now() - appliedAtMs) / 1_000).toFixed(1)
  t.comment(`from kubectl apply to the first message delivered: ${tookS} s`)
  console.log(`# from kubectl apply to the first message delivered: ${tookS} s`)
}

async function betweenNodes(t: Test, world: World, useBinaryProtocol: boolean): Promise<void> {
  const { cluster, key } = world
  const name = `between-${useBinaryProtocol}`
  const reader = ablyClient(t, await podUrl(t, cluster, 'main-2'), key, { useBinaryProtocol })
  const writer = ablyClient(t, await podUrl(t, cluster, 'main-0'), key, { useBinaryProtocol })
  const received: string[] = []
  await reader.channels.get(name).subscribe(({ data }) => void received.push(data))
  const sent = Array.from({ length: 1_000 }, (_, at) => `m${at}`)
  await Promise.all(sent.map((data) => writer.channels.get(name).publish('n', data)))
  await until('all received', () => received.length >= sent.length, 30_000)
  t.same(received, sent, 'in order, none lost or repeated')
}

/** A key that is added is good at every node, and one that is taken away ends who uses it. */
async function liveKey(t: Test, { cluster }: World): Promise<void> {
  const urls = await Promise.all([0, 1, 2].map((index) => podUrl(t, cluster, `main-${index}`)))
  const keys = await cluster.kubectl(['get', 'realtimeapp/demo', '-o', 'jsonpath={.spec.keys}'])
  const setKeys = (all: object[]) => cluster.kubectl([
    'patch', 'realtimeapp/demo', '--type=merge', '-p', JSON.stringify({ spec: { keys: all } })
  ])
  let sinceMs = performance.now()
  const tookSince = (what: string): void => {
    const tookS = ((performance.now() - sinceMs) / 1_000).toFixed(1)
    console.log(`# from kubectl apply to ${what}: ${tookS} s (aim: 5 s)`)
  }
  await setKeys([...JSON.parse(keys) as object[], { name: 'extra' }])
  let key = ''
  await untilAsync('the secret has the key', async () => {
    key = await apiKey(cluster.kubeconfigPath, 'extra')
    return key !== ''
  })
  const clients = urls.map((url) => ablyClient(t, url, key))
  const isAt = (state: string) => () => clients.every(({ connection }) => {
    if (connection.state === 'failed' && state !== 'failed') connection.connect()
    return connection.state === state
  })
  await until('every node knows the key', isAt('connected'), POD_BOUND_MS)
  tookSince('a new key that is good at every node')
  sinceMs = performance.now()
  await setKeys(JSON.parse(keys) as object[])
  await until('whoever used it is told', isAt('failed'), POD_BOUND_MS)
  tookSince('the end of all who used a key that was taken away')
  t.same(clients.map(({ connection }) => connection.errorReason?.code), [40101, 40101, 40101])
}

async function scale(t: Test, { cluster, key, url }: World): Promise<void> {
  const channel = ablyClient(t, url, key).channels.get('scaled')
  const received: string[] = []
  await channel.subscribe(({ data }) => void received.push(data))
  for (const nodes of [4, 3]) {
    await cluster.kubectl(['scale', 'realtimeregion/main', `--replicas=${nodes}`])
    await waitReady(cluster, nodes)
    await untilAsync(`${nodes} pods`, async () => {
      const pods = await cluster.kubectl([
        'get', 'pods', '-l', 'ringcast.dev/region=main,app.kubernetes.io/component=node',
        '-o', 'name'
      ])
      return pods.trim().split('\n').length === nodes
    })
    await channel.publish('n', `at ${nodes}`)
    await until('heard', () => received.at(-1) === `at ${nodes}`, POD_BOUND_MS)
    t.pass(`${nodes} nodes serve`)
  }
}

async function removal(t: Test, { cluster }: World): Promise<void> {
  await cluster.kubectl(['delete', 'realtimeregion/main', '--timeout=60s'])
  const kinds = 'statefulsets,services,poddisruptionbudgets,realtimerings,pods'
  await untilAsync('nothing is left', async () => {
    const left = await cluster.kubectl([
      'get', kinds, '-l', 'ringcast.dev/region=main', '-o', 'name', '--ignore-not-found'
    ])
    return left.trim() === ''
  })
  t.pass('nothing is left')
}

/** The region is Ready with this many nodes, and every one of them serves in the ring. */
async function waitReady(cluster: Cluster, nodes: number): Promise<void> {
  await untilAsync(`${nodes} nodes serve`, async () => {
    const states = await cluster.kubectl([
      'get', 'realtimering/main', '-o', 'jsonpath={.status.members[*].state}'
    ])
    const serving = states.split(' ').filter((state) => state === 'serving')
    if (serving.length !== nodes || states.trim().split(' ').length !== nodes) return false
    const ready = await cluster.kubectl([
      'get', 'realtimeregion/main', '-o', 'jsonpath={.status.readyNodeCount}'
    ])
    return Number(ready) === nodes
  })
}

async function untilAsync(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 2 * POD_BOUND_MS
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
