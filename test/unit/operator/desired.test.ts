/*
What regions are made of, as golden files. After an intended change:
`node test/unit/operator/desired.test.ts --write`, and review the difference.
*/

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { desiredManifests, natsSecretOf, relaySecretOf } from '../../../src/operator/desired.ts'
import type { Facts } from '../../../src/operator/desired.ts'
import { digestOf } from '../../../src/operator/digest.ts'
import type { Manifest } from '../../../src/operator/manifest.ts'
import { parseRegion } from '../../../src/operator/spec.ts'
import type { RealtimeRegion } from '../../../src/operator/spec.ts'
import { relayAddress } from '../../../src/operator/relay-manifests.ts'
import type { WorldFacts } from '../../../src/operator/world.ts'

const defaults = { nodeImage: 'ringcast:1.0.0', natsImage: 'nats:2' }

function manifestsOf (spec: object, facts: Partial<Facts> = {}): Manifest[] {
  const region: RealtimeRegion = {
    apiVersion: 'ringcast.dev/v1alpha1',
    kind: 'RealtimeRegion',
    metadata: { name: 'eu', namespace: 'chat', uid: 'uid-of-eu' },
    spec
  }
  const parsed = parseRegion(region)
  if (!parsed.isValid) throw new Error(JSON.stringify(parsed.violations))
  return desiredManifests(region, parsed.spec, {
    replicas: parsed.spec.nodes,
    appsJson: '{"apps":[]}',
    natsSecret: parsed.spec.nats.type === 'Managed'
      ? natsSecretOf({}, () => 'krandom')
      : {},
    externalNats: { credentials: 'none', digest: '' },
    relaySecret: parsed.spec.world?.relay === undefined ? {} : relaySecretOf({}, () => 'krandom'),
    ...facts
  }, defaults)
}

const worldFacts: WorldFacts = {
  peers: [
    {
      region: 'ap',
      object: 'asia/ap',
      ring: { uid: 'uid-of-ap', madeAtMs: 1 },
      address: relayAddress('ap', 'asia')
    },
    { region: 'us', address: 'relay.us.example:7222' },
    // One whose NATS is external has no relay.
    { region: 'za', object: 'africa/za' }
  ],
  ring: { uid: 'uid-of-ring', madeAtMs: 2 },
  generation: 7,
  apps: { AbC123: '0123456789abcdef' },
  hasTls: true,
  secretDigest: 'digest'
}

const examples: Record<string, () => Manifest[]> = {
  smallest: () => manifestsOf({
    nodes: 1,
    redundancy: 1,
    nats: { managed: { servers: 1, storage: { type: 'Ephemeral', size: '1Gi' } } }
  }),
  full: () => manifestsOf({
    region: 'eu-west',
    nodes: 5,
    workers: 8,
    image: 'registry.example/ringcast@sha256:abc',
    imagePullSecrets: [{ name: 'registry' }],
    logLevel: 'debug',
    drain: { timeoutSeconds: 60, terminationGracePeriodSeconds: 90 },
    disruption: { minAvailable: '80%' },
    resources: { limits: { cpu: 8, memory: '8Gi' } },
    service: {
      type: 'LoadBalancer', port: 443, externalTrafficPolicy: 'Local', isSessionSticky: true,
      annotations: { 'example.com/timeout': '3600' }
    },
    scheduling: {
      nodeSelector: { pool: 'realtime' },
      tolerations: [{ key: 'realtime', operator: 'Exists' }],
      topologySpread: [{ topologyKey: 'topology.kubernetes.io/zone' }],
      priorityClassName: 'high'
    },
    podTemplate: { labels: { team: 'chat' }, annotations: { note: 'x' } },
    extraEnv: [{ name: 'TZ', value: 'UTC' }],
    networkPolicy: 'Managed',
    nats: { managed: { storage: { size: '50Gi', storageClassName: 'fast' } } }
  }),
  world: () => manifestsOf({
    region: 'eu-west',
    networkPolicy: 'Managed',
    world: {
      name: 'acme',
      secretName: 'acme-world',
      endpoint: 'eu.example',
      peers: [{ region: 'us', address: 'relay.us.example:7222' }],
      relay: {
        advertise: 'relay.eu.example:30222',
        service: { type: 'NodePort', nodePort: 30222, annotations: { 'example.com/a': 'b' } }
      },
      globalmaster: { replicas: 2 }
    }
  }, { world: worldFacts }),
  'world-external': () => manifestsOf({
    world: { name: 'acme', secretName: 'acme-world' },
    nats: { type: 'External', external: { urls: ['nats://a:4222'], secretName: 'login' } }
  }, {
    world: worldFacts,
    externalNats: { credentials: 'file', digest: 'd' }
  }),
  external: () => manifestsOf({
    nats: {
      type: 'External', external: { urls: ['nats://a:4222', 'nats://b:4222'], logBytes: '20Gi' }
    }
  })
}

for (const [name, make] of Object.entries(examples)) {
  t.test(`the ${name} region`, async t => {
    const file = join(import.meta.dirname, 'golden', `${name}.yaml`)
    const text = make().map(
      manifest => stringify(manifest, { lineWidth: 100, aliasDuplicateObjects: false })
    ).join('---\n')
    if (process.argv.includes('--write')) writeFileSync(file, text)
    t.equal(text, readFileSync(file, 'utf8'))
  })
}

const podSpecsOf = (manifests: Manifest[]) => manifests
  .filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
  .map(({ spec }) => (spec as any).template.spec)

t.test('every pod passes the restricted standard, with a root it cannot write to', async t => {
  for (const make of Object.values(examples)) {
    for (const pod of podSpecsOf(make())) {
      t.match(pod, {
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
      })
      for (const container of pod.containers) {
        t.match(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] }
        })
        for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
          t.ok(container[probe], probe)
        }
      }
    }
  }
})

t.test('every object is owned, labelled and in the namespace of its region', async t => {
  for (const make of Object.values(examples)) {
    for (const { kind, metadata } of make()) {
      t.match(metadata, {
        namespace: 'chat',
        labels: {
          'app.kubernetes.io/managed-by': 'ringcast-operator', 'ringcast.dev/region': 'eu'
        },
        ownerReferences: [{ kind: 'RealtimeRegion', uid: 'uid-of-eu', controller: true }]
      }, `${kind} ${metadata.name}`)
    }
  }
})

t.test('credentials reach a node as its Secret holds them', async t => {
  const nats = {
    type: 'External', external: { urls: ['tls://nats.example:4222'], secretName: 'login' }
  }
  const variablesOf = (credentials: Facts['externalNats']['credentials']) => {
    const [pod] = podSpecsOf(manifestsOf({ nats }, { externalNats: { credentials, digest: 'd' } }))
    return pod.containers[0].env
      .filter(({ name }: { name: string }) => name.startsWith('RINGCAST_NATS_'))
      .map(({ name, value, valueFrom }: any) =>
        `${name}=${value ?? `${valueFrom.secretKeyRef.name}/${valueFrom.secretKeyRef.key}`}`)
  }
  const url = 'RINGCAST_NATS_URL=tls://nats.example:4222'
  const former = 'RINGCAST_NATS_FORMER_SECRET=login/former'
  t.same(variablesOf('none'), [url])
  t.same(variablesOf('token'), [url, 'RINGCAST_NATS_TOKEN=login/token', former])
  t.same(variablesOf('password'),
    [url, 'RINGCAST_NATS_USER=login/user', 'RINGCAST_NATS_PASSWORD=login/password', former])
  t.same(variablesOf('file'),
    [url, 'RINGCAST_NATS_CREDS_FILE=/etc/ringcast/nats/nats.creds', former])
})

t.test('new credentials restart the nodes; new apps and more nodes do not', async t => {
  const templateOf = (facts: Partial<Facts>) => digestOf(
    podSpecsAndAnnotations(manifestsOf({}, facts))
  )
  const before = templateOf({})
  t.equal(templateOf({ appsJson: '{"apps":[1]}', replicas: 9 }), before)
  t.not(templateOf({ natsSecret: { user: 'ringcast', password: 'other' } }), before)
})

t.test('apps that are too long as they are are compressed', async t => {
  const appsJson = JSON.stringify({ apps: [], filler: 'x'.repeat(1024 * 1024) })
  const secret = manifestsOf({}, { appsJson }).find(({ metadata }) => metadata.name === 'eu-apps')
  t.same(Object.keys(secret?.data as object), ['apps.json.gz'])
})

function podSpecsAndAnnotations (manifests: Manifest[]): unknown[] {
  return manifests.filter(({ kind }) => kind === 'StatefulSet')
    .map(({ spec }) => (spec as any).template)
}

t.test('a digest does not depend on the order of fields, but on that of lists', async t => {
  t.equal(digestOf({ a: 1, b: { c: 2, d: 3 } }), digestOf({ b: { d: 3, c: 2 }, a: 1 }))
  t.not(digestOf({ a: [1, 2] }), digestOf({ a: [2, 1] }))
})

t.test('credentials of NATS are made once, entry by entry', async t => {
  const made = natsSecretOf({ password: 'kept' }, () => 'new')
  t.same(made, {
    user: 'ringcast', password: 'kept', systemPassword: 'new', routePassword: 'new'
  })
  t.same(natsSecretOf(made, () => 'never'), made)
})

t.test('what is new in the world restarts the relay, and not the NATS that connects to it',
  async t => {
    const relay = { advertise: 'relay.eu.example:7222' }
    const world = { name: 'acme', secretName: 'acme-world', relay }
    const templatesOf = (
      spec: object, facts: Partial<WorldFacts> = {}, rest: Partial<Facts> = {}
    ) => Object.fromEntries(
      manifestsOf(spec, { world: { ...worldFacts, ...facts }, ...rest })
        .filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
        .map(({ metadata, spec: { template } }: any) => [metadata.name, digestOf(template)])
    )
    const changed = (spec: object, facts: Partial<WorldFacts>, rest?: Partial<Facts>) => {
      const [before, after] = [templatesOf({ world }), templatesOf(spec, facts, rest)]
      return Object.keys(before).filter(name => before[name] !== after[name])
    }
    t.same(changed({ world }, {}), [])
    t.same(changed({ world }, { peers: [] }), ['eu-relay'])
    t.same(changed({ world }, { secretDigest: 'another' }), ['eu-relay'])
    const ring = { uid: 'another', madeAtMs: 3 }
    t.same(changed({ world }, { apps: {}, generation: 9, ring }), [])
    t.same(changed({ world: { ...world, relay: { ...relay, servers: 3 } } }, {}), ['eu-relay'])
    t.same(changed({ world }, {}, { relaySecret: relaySecretOf({}, () => 'kother') }),
      ['eu-relay', 'eu-nats'])
  })

t.test('without facts of the world its NATS is made as ever, and relay and globalmaster are not',
  async t => {
    const world = { name: 'acme', secretName: 'acme-world' }
    const whole = manifestsOf({ world }, { world: worldFacts })
    const held = manifestsOf({ world })
    const isOf = ({ metadata }: Manifest) =>
      /^(relay|globalmaster)$/.test(`${metadata.labels?.['app.kubernetes.io/component']}`)
    t.same(held.filter(manifest => !isOf(manifest)), whole.filter(manifest => !isOf(manifest)))
    t.same(held.filter(isOf), whole.filter(isOf).filter(({ kind }) => kind === 'Secret'))
  })

t.test('the globalmaster may read one ConfigMap, and write its Lease and one status', async t => {
  const role = examples.world?.().find(
    ({ kind, metadata }) => kind === 'Role' && metadata.name === 'eu-globalmaster'
  )
  const rules = (role as any).rules.map(({ resources, resourceNames, verbs }: any) =>
    `${resources} ${resourceNames}: ${verbs}`)
  t.same(rules, [
    'configmaps eu-globalmaster: get,list,watch',
    'leases eu-globalmaster: get,update',
    'realtimeregions eu: get',
    'realtimeregions/status eu: get,patch'
  ])
})

t.test('neither the password of the world nor a key is in a ConfigMap', async t => {
  const texts = ['world', 'world-external'].flatMap(name => examples[name]?.() ?? [])
    .filter(({ kind }) => kind !== 'Secret').map(manifest => JSON.stringify(manifest))
  for (const text of texts) t.notMatch(text, /krandom/)
})
