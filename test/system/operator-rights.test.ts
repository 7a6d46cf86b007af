/*
The operator with exactly the rights that its chart gives it, in both scopes, on a real API server
with RBAC. What a Role of the nodes grants, the operator must hold itself, or it may not grant it.
*/

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { projectRoot } from '../../deploy/render.ts'
import { KubeClient } from '../../src/kube/client.ts'
import { tokenFileCredentials } from '../../src/kube/credentials.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { secretResource } from '../../src/operator/names.ts'
import { apiServerTools } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { missingTools, toolPath } from '../support/tools.ts'
import {
  appObject, appResource, createNamespace, makeRig, regionObject, regionResource, untilCondition
} from './operator-rig.ts'
import { startStandIn } from './operator-stand-in.ts'

const skip = missingTools(...apiServerTools, 'helm')

t.test('rights', { skip, timeout: 120_000 }, async t => {
  const { server, client: admin } = await startStandIn(t)

  for (const scope of ['Cluster', 'Namespace'] as const) {
    await t.test(`scope ${scope}`, async t => {
      const system = `system-${scope.toLowerCase()}`
      const home = scope === 'Cluster' ? 'anywhere' : system
      await createNamespace(server, system)
      await createNamespace(server, 'anywhere')
      await installRights(server, system, scope)
      const client = await serviceAccountClient(t, server, system)
      const rig = await makeRig(server, {
        client,
        election: { namespace: system, name: 'ringcast-operator' },
        ...(scope === 'Namespace' ? { namespace: system } : {})
      })
      rig.controller.start()
      try {
        const world = { name: 'acme', secretName: 'acme-world' }
        await admin.create(secretResource, {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { namespace: home, name: world.secretName },
          stringData: { password: 'k'.repeat(24) }
        } as KubeObject)
        await admin.create(regionResource, regionObject(home, 'eu', {
          networkPolicy: 'Managed', world
        }))
        await admin.create(appResource, appObject(home, 'chat', { regionRef: { name: 'eu' } }))
        await untilCondition(admin, regionResource, home, 'eu', 'Ready', 'True')
        await untilCondition(admin, appResource, home, 'chat', 'Ready', 'True')
        // A rollout needs the right to delete pods.
        await admin.mergePatch(regionResource, { namespace: home, name: 'eu' }, {
          spec: { image: 'ringcast:2', networkPolicy: 'None', world: null }
        })
        const region = await untilCondition(admin, regionResource, home, 'eu', 'Ready', 'True')
        t.equal(region.status?.updatedNodeCount, 3)
        t.same(rig.lines.filter(line => /forbidden/i.test(line)), [])
        t.same(rig.lost, [])
      } finally {
        await rig.controller.stop()
      }
    })
  }
})

async function installRights (
  server: ApiServer, namespace: string, scope: string
): Promise<void> {
  const text = execFileSync(toolPath('helm') ?? '', [
    'template', 'ringcast', join(projectRoot, 'charts/ringcast'), '--namespace', namespace,
    '--set', `scope=${scope}`, '--show-only', 'templates/rbac.yaml'
  ], { encoding: 'utf8' })
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS()
    if (object === null) continue
    const [group, version] = object.apiVersion.includes('/')
      ? [`/apis/${object.apiVersion}`, '']
      : ['/api/', object.apiVersion]
    const where = object.metadata.namespace === undefined ? '' : `/namespaces/${namespace}`
    const { status, body } = await server.call(
      'POST', `${group}${version}${where}/${object.kind.toLowerCase()}s`, object
    )
    if (status !== 201) throw new Error(`${object.kind}: ${body.message}`)
  }
}

async function serviceAccountClient (
  t: { teardown (end: () => void): void }, server: ApiServer, namespace: string
): Promise<KubeClient> {
  const { body } = await server.call(
    'POST', `/api/v1/namespaces/${namespace}/serviceaccounts/ringcast-operator/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }
  )
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-rights-'))
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, body.status.token, { mode: 0o600 })
  const kubeconfig = parse(readFileSync(server.kubeconfigPath, 'utf8'))
  const authority = kubeconfig.clusters[0].cluster['certificate-authority-data']
  const client = new KubeClient({
    credentials: {
      ...tokenFileCredentials(server.url, tokenFile),
      ca: Buffer.from(authority, 'base64').toString('utf8')
    },
    userAgent: 'ringcast-operator-test'
  })
  t.teardown(() => {
    client.close()
    rmSync(folder, { recursive: true })
  })
  return client
}
