/* What a node answers on its private port, as the operator takes it. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { askClients } from '../../../src/operator/gate.ts'
import type { Pod } from '../../../src/operator/plan.ts'

function podAt (containerPort: number, podIP?: string): Pod {
  const container = { name: 'node', ports: [{ name: 'private', containerPort }] }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'eu-0' },
    spec: { containers: [container] },
    status: podIP === undefined ? {} : { podIP }
  }
}

t.test('how many clients a node has', async t => {
  const answers = [
    '{"connections":7,"drain":"draining"}', '{"connections":"7","drain":"none"}',
    '{"connections":7}', 'no JSON'
  ]
  const paths: Array<string | undefined> = []
  const server = createServer(({ url }, response) => {
    paths.push(url)
    response.end(answers[paths.length - 1])
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pod = podAt(port, '127.0.0.1')
  t.same(await askClients(pod), { connections: 7, drain: 'draining' })
  for (let no = 1; no < answers.length; no++) t.equal(await askClients(pod), undefined)
  t.same(new Set(paths), new Set(['/admin/clients']))
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  t.equal(await askClients(pod), undefined, 'nobody is there')
  t.equal(await askClients(podAt(port)), undefined, 'it has no address yet')
})
