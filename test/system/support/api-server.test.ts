import { existsSync } from 'node:fs'
import { KubeConfig, CoreV1Api } from '@kubernetes/client-node'
import t from 'tap'
import { apiServerTools, startApiServer } from '../../support/api-server.ts'
import { missingTools } from '../../support/tools.ts'

const skip = missingTools(...apiServerTools)

const shelf = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: shelves.test.ringcast.dev }
spec:
  group: test.ringcast.dev
  scope: Namespaced
  names: { kind: Shelf, plural: shelves }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: { width: { type: integer, minimum: 1 } }
`

t.test('an API server serves the CRDs it was given and refuses strangers', { skip }, async t => {
  const crds = t.testdir({ 'shelves.yaml': shelf, 'notes.txt': 'not a manifest' })
  const api = await startApiServer({ crds: [crds] })
  const config = new KubeConfig()
  config.loadFromFile(api.kubeconfigPath)
  const { items } = await config.makeApiClient(CoreV1Api).listNamespace()
  t.ok(items.some(namespace => namespace.metadata?.name === 'default'))

  const shelves = '/apis/test.ringcast.dev/v1/namespaces/default/shelves'
  const body = (width: number) => ({
    apiVersion: 'test.ringcast.dev/v1',
    kind: 'Shelf',
    metadata: { name: `shelf-${width}` },
    spec: { width }
  })
  t.equal((await api.call('POST', shelves, body(3))).status, 201)
  t.match(await api.call('POST', shelves, body(0)), { status: 422 })

  const asNobody = await fetch(`${api.url}/api/v1/namespaces`).catch(error => error)
  t.ok(asNobody instanceof Error, 'a client that does not know the authority does not connect')
  await api.stop()
  t.notOk(existsSync(api.kubeconfigPath))
  t.match(api.apiServer.ending(), /^ended/)
  t.match(api.etcd.ending(), /^ended/)
})

t.test('a CRD that the API refuses rejects, naming the file', { skip }, async t => {
  const crds = t.testdir({ 'broken.yaml': shelf.replace('type: integer', 'type: number of') })
  await t.rejects(startApiServer({ crds: [crds] }), { message: /broken\.yaml: 422 / })
})
