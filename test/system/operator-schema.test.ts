/*
The CRDs on a real API server: every rule, the subresources, defaults and strictness.
*/

import t from 'tap'
import type { Test } from 'tap'
import { apiServerTools, startApiServer } from '../support/api-server.ts'
import type { ApiServer } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { ruleCases } from '../unit/operator/rule-cases.ts'
import type { RuleCase } from '../unit/operator/rule-cases.ts'

const plurals = {
  RealtimeRegion: 'realtimeregions', RealtimeApp: 'realtimeapps', RealtimeRing: 'realtimerings'
}
const skip = missingTools(...apiServerTools)

t.test('CRDs', { skip }, async t => {
  const server = await startApiServer({ crds: ['crds'] })
  t.teardown(() => server.stop())

  t.test('every rule accepts its good object and refuses its bad one', async t => {
    for (const [at, ruleCase] of ruleCases.entries()) await checkRule(t, server, ruleCase, at)
  })

  t.test('an empty spec is filled with defaults', async t => {
    const answer = await create(server, 'RealtimeRegion', 'defaults')
    t.match(answer, {
      status: 201,
      body: {
        spec: {
          nodes: 3,
          redundancy: 3,
          workers: 'auto',
          partitionCount: 4096,
          nats: { type: 'Managed' },
          drain: { timeoutSeconds: 20 }
        }
      }
    })
  })

  t.test('an unknown field is refused under strict validation', async t => {
    const { status, body } = await create(
      server, 'RealtimeRegion', 'strict', { nodez: 3 }, '?fieldValidation=Strict'
    )
    t.equal(status, 400)
    t.match(body.message, /unknown field "spec.nodez"/)
  })

  t.test('the scale subresource reads and writes the number of nodes', async t => {
    await create(server, 'RealtimeRegion', 'scaled')
    const path = pathOf('RealtimeRegion', 'scaled')
    const before = await server.call('GET', path)
    await server.call('PUT', `${path}/status`, {
      ...before.body, status: { nodeCount: 2, selector: 'ringcast.dev/region=scaled' }
    })
    const scale = await server.call('GET', `${path}/scale`)
    t.match(scale.body, {
      spec: { replicas: 3 }, status: { replicas: 2, selector: 'ringcast.dev/region=scaled' }
    })
    const put = await server.call('PUT', `${path}/scale`, { ...scale.body, spec: { replicas: 5 } })
    t.equal(put.status, 200)
    t.equal((await server.call('GET', path)).body.spec.nodes, 5)
  })

  t.test('a write to the status leaves the spec alone, and the other way round', async t => {
    await create(server, 'RealtimeRegion', 'parts')
    const path = pathOf('RealtimeRegion', 'parts')
    const { body } = await server.call('GET', path)
    await server.call('PUT', `${path}/status`, {
      ...body, spec: { ...body.spec, nodes: 9 }, status: { nodeCount: 1 }
    })
    const after = await server.call('GET', path)
    t.equal(after.body.spec.nodes, 3)
    t.equal(after.body.status.nodeCount, 1)
    await server.call('PUT', path, { ...after.body, status: { nodeCount: 7 } })
    t.equal((await server.call('GET', path)).body.status.nodeCount, 1)
  })

  t.test('the short names and the category are served', async t => {
    const { body } = await server.call('GET', '/apis/ringcast.dev/v1alpha1')
    const names = body.resources.filter((r: { shortNames?: string[] }) => r.shortNames)
      .map((r: { shortNames: string[], categories: string[] }) =>
        [...r.shortNames, ...r.categories])
    t.same(names.sort(), [['rta', 'realtime'], ['rtr', 'realtime'], ['rtring', 'realtime']])
  })

  t.test('kubectl sees the columns as a table', async t => {
    const { body } = await server.call('GET', '/apis/apiextensions.k8s.io/v1/' +
      'customresourcedefinitions/realtimeregions.ringcast.dev')
    t.same(
      body.spec.versions[0].additionalPrinterColumns
        .filter((column: { priority?: number }) => column.priority === undefined)
        .map((column: { name: string }) => column.name),
      ['Ready', 'Status', 'Nodes', 'Peers', 'Version', 'Age']
    )
  })
})

async function checkRule (
  t: Test, server: ApiServer, ruleCase: RuleCase, at: number
): Promise<void> {
  const { kind, message, good, bad, before, name } = ruleCase
  const path = pathOf(kind, `case-${at}`)
  if (before === undefined) {
    if (name === undefined) {
      t.match(await create(server, kind, `case-${at}`, good), { status: 201 }, `${message}: good`)
    }
    const refused = await create(server, kind, name ?? `bad-${at}`, bad)
    t.equal(refused.status, 422, `${message}: bad`)
    t.ok(refused.body.message.includes(message), `${refused.body.message} names it`)
    return
  }
  const { body } = await create(server, kind, `case-${at}`, before)
  const kept = await server.call('PUT', path, { ...body, spec: good })
  t.equal(kept.status, 200, `${message}: unchanged (${kept.body.message})`)
  const refused = await server.call('PUT', path, { ...kept.body, spec: bad })
  t.equal(refused.status, 422, `${message}: changed`)
  t.ok(refused.body.message.includes(message), `${refused.body.message} names it`)
}

async function create (
  server: ApiServer, kind: keyof typeof plurals, name: string, spec?: object, query = ''
) {
  return await server.call('POST', pathOf(kind) + query, {
    apiVersion: 'ringcast.dev/v1alpha1', kind, metadata: { name }, spec: spec ?? {}
  })
}

function pathOf (kind: keyof typeof plurals, name?: string): string {
  const base = `/apis/ringcast.dev/v1alpha1/namespaces/default/${plurals[kind]}`
  return name === undefined ? base : `${base}/${name}`
}
