import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { KubeClient, type KubeClientOptions } from '../../../src/kube/client.ts'
import {
  inClusterCredentials, kubeconfigCredentials, tokenFileCredentials
} from '../../../src/kube/credentials.ts'
import { isConflict, isGone } from '../../../src/kube/kube-error.ts'
import type { KubeObject } from '../../../src/kube/resource.ts'
import { ApiDouble, answer, refuse } from '../../support/api-double.ts'
import { FakeTimers, settle, until } from '../../unit/kube/fake-timers.ts'

const pods = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true }
const target = { namespace: 'ns', name: 'a' }

function pod (name: string, more: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'ns', name }, ...more }
}

async function setup (t: Test, options: Partial<KubeClientOptions> = {}) {
  const double = await ApiDouble.start()
  const folder = await mkdtemp(join(tmpdir(), 'ringcast-kube-'))
  const tokenPath = join(folder, 'token')
  await writeFile(tokenPath, 'first\n')
  const timers = new FakeTimers()
  const client = new KubeClient({
    credentials: tokenFileCredentials(double.url, tokenPath, timers),
    userAgent: 'ringcast-test/1.0',
    timers,
    ...options
  })
  t.teardown(async () => {
    client.close()
    await double.stop()
    await rm(folder, { recursive: true })
  })
  return { double, client, timers, tokenPath }
}

t.test('many calls, one TCP connection', async t => {
  const { double, client } = await setup(t)
  for (let index = 0; index < 10; index++) await client.list(pods)
  await client.create(pods, pod('a'))
  await client.get(pods, target)
  await client.remove(pods, target)
  t.equal(double.connectionCount, 1)
  t.equal(double.last('get').headers['user-agent'], 'ringcast-test/1.0')
})

t.test('a list comes in pages and its items say what they are', async t => {
  const { double, client } = await setup(t)
  for (let index = 0; index < 1200; index++) double.put('pods', pod(`p${index}`))
  const { items, resourceVersion } = await client.list(pods, { namespace: 'ns' })
  t.equal(items.length, 1200)
  t.equal(double.count('list'), 3)
  t.match(items[1199], { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p1199' } })
  t.equal(resourceVersion, double.version)
})

t.test('a page that outlived the history is told as gone', async t => {
  const { double, client } = await setup(t)
  for (let index = 0; index < 3; index++) double.put('pods', pod(`p${index}`))
  const page = await client.listPage(pods, { limit: 2 })
  double.compact()
  await t.rejects(client.listPage(pods, { limit: 2, continue: page.continue }), {
    name: 'KubeError', status: 410
  })
  t.ok(isGone(await client.listPage(pods, { continue: page.continue }).catch(error => error)))
})

t.test('absent: undefined to get, false to remove', async t => {
  const { client } = await setup(t)
  t.equal(await client.get(pods, target), undefined)
  t.equal(await client.remove(pods, target), false)
})

t.test('replace is compare-and-swap', async t => {
  const { client } = await setup(t)
  const first = await client.create(pods, pod('a'))
  await client.replace(pods, { ...first, spec: { nodeName: 'n1' } })
  const error = await client.replace(pods, first).catch(error => error)
  t.ok(isConflict(error), error.message)
  await t.rejects(client.create(pods, pod('a')), {
    name: 'KubeError', status: 409, reason: 'AlreadyExists'
  })
})

t.test('writes carry their switches', async t => {
  const { double, client } = await setup(t)
  const manager = { fieldManager: 'ringcast' }
  await client.apply(pods, pod('a'), { ...manager, force: true, dryRun: true })
  t.match(double.last('patch'), {
    path: '/api/v1/namespaces/ns/pods/a',
    headers: { 'content-type': 'application/apply-patch+yaml' }
  })
  t.same([...double.last('patch').query], [
    ['fieldManager', 'ringcast'], ['dryRun', 'All'], ['force', 'true']
  ])
  await client.mergePatch(pods, target, { metadata: { labels: { a: 'b' } } }, {
    subresource: 'status', fieldValidation: 'Strict'
  })
  t.match(double.last('patch'), {
    path: '/api/v1/namespaces/ns/pods/a/status',
    headers: { 'content-type': 'application/merge-patch+json' }
  })
  t.equal(double.last('patch').query.get('fieldValidation'), 'Strict')
  await client.remove(pods, target, {
    propagation: 'Orphan', gracePeriodSeconds: 3, preconditions: { uid: 'u' }
  })
  t.match(double.last('delete').body, {
    kind: 'DeleteOptions',
    propagationPolicy: 'Orphan',
    gracePeriodSeconds: 3,
    preconditions: { uid: 'u' }
  })
})

t.test('the metrics hook hears of every request, warnings have a hook of their own', async t => {
  const reports: unknown[] = []
  const warnings: string[] = []
  const { double, client } = await setup(t, {
    onRequest: report => { reports.push(report) },
    onWarning: warning => { warnings.push(warning) }
  })
  double.next('list', response => {
    answer(response, 200, { metadata: { resourceVersion: '1' }, items: [] }, {
      warning: '299 - "v1 Pod is fine", 299 - "but old"'
    })
  })
  await client.list(pods)
  await client.get(pods, { namespace: 'ns', name: 'b' })
  const stream = await client.watch(pods, {})
  stream.close()
  t.match(reports, [
    { verb: 'list', resource: 'pods', code: 200 },
    { verb: 'get', resource: 'pods', code: 404 },
    { verb: 'watch', resource: 'pods', code: 200 }
  ])
  t.same(warnings, ['v1 Pod is fine', 'but old'])
})

t.test('a refusal carries status, reason, message and Retry-After', async t => {
  const { double, client } = await setup(t)
  double.next('list', response => refuse(response, 429, 'TooManyRequests', { 'retry-after': '7' }))
  await t.rejects(client.list(pods), {
    name: 'KubeError', status: 429, reason: 'TooManyRequests', retryAfterMs: 7000
  })
  double.next('list', response => {
    response.writeHead(502).end('<h1>Bad gateway</h1>')
  })
  await t.rejects(client.list(pods), { status: 502, message: /502: <h1>Bad gateway/ })
  double.next('list', response => {
    response.writeHead(200).end('hello')
  })
  await t.rejects(client.list(pods), { name: 'KubeError', status: 0, reason: 'BadAnswer' })
})

t.test('a server that is not there is named, with the cause', async t => {
  const { double, client } = await setup(t)
  await double.stop()
  const error = await client.list(pods).catch(error => error)
  t.equal(error.message,
    `the API server at ${double.url} cannot be reached: connection refused (ECONNREFUSED)`)
  t.match(error, { status: 0, reason: 'Unreachable' })
})

t.test('a call that is not answered in time ends, and says so', async t => {
  const { double, client, timers } = await setup(t)
  for (const sendsHead of [false, true]) {
    double.next('list', response => {
      if (sendsHead) response.writeHead(200).write('{"items":[')
    })
    const before = double.count('list')
    const result = client.list(pods, { timeoutMs: 5000 }).catch(error => error)
    await until(() => double.count('list') > before)
    await timers.advance(5000)
    t.match(await result, {
      reason: 'Timeout', message: /did not answer GET \/api\/v1\/pods within 5000 ms/
    })
  }
  t.same(timers.delays(), [])
})

t.test('a call may be aborted', async t => {
  const { double, client, timers } = await setup(t)
  double.next('list', () => {})
  const controller = new AbortController()
  const result = client.list(pods, { signal: controller.signal }).catch(error => error)
  await until(() => double.count('list') === 1)
  controller.abort()
  t.match(await result, { status: 0, reason: 'Aborted' })
  const late = client.list(pods, { signal: controller.signal })
  await t.rejects(late, { name: 'KubeError', reason: 'Aborted' })
  t.same(timers.delays(), [])
})

t.test('a read on a connection the server has just closed is sent again', async t => {
  const { double, client } = await setup(t)
  await client.list(pods)
  double.next('list', response => { response.socket?.resetAndDestroy() })
  await client.list(pods)
  t.equal(double.connectionCount, 2)
  double.next('create', response => { response.socket?.resetAndDestroy() })
  await t.rejects(client.create(pods, pod('a')), { reason: 'Unreachable', message: /cut/ },
    'but not a write, which may have been done')
})

t.test('a replaced token is read once a minute, and at once when the old is refused', async t => {
  const { double, client, timers, tokenPath } = await setup(t)
  double.token = 'first'
  await client.list(pods)
  await writeFile(tokenPath, 'second')
  await client.list(pods)
  t.equal(double.last('list').headers.authorization, 'Bearer first')
  await timers.advance(60_000)
  double.token = 'second'
  await client.list(pods)
  t.equal(double.count('list'), 3, 'no request was refused')
  await writeFile(tokenPath, 'third')
  double.token = 'third'
  await client.create(pods, pod('a'))
  t.equal(double.count('create'), 2, 'refused, read again, sent again')
  double.token = 'unknown'
  await t.rejects(client.list(pods), { name: 'KubeError', status: 401 },
    'the same token is not tried twice')
  t.equal(double.count('list'), 4)
})

t.test('a watch is opened within the time bound, then has none', async t => {
  const { double, client, timers } = await setup(t)
  const stream = await client.watch(pods, { timeoutMs: 1000 })
  const names: Array<string | undefined> = []
  const done = (async () => {
    for await (const { object } of stream) names.push(object.metadata.name)
  })()
  await timers.advance(3_600_000)
  double.put('pods', pod('a'))
  await until(() => names.length === 1)
  stream.close()
  await done
  t.same(names, ['a'])
  t.same(timers.delays(), [])
  await until(() => double.watchCount() === 0)
})

t.test('credentials that cannot be had are explained', async t => {
  const { client, tokenPath, timers } = await setup(t)
  await rm(tokenPath)
  await t.rejects(client.list(pods), {
    reason: 'Credentials', message: new RegExp(`${tokenPath} cannot be read: ENOENT`)
  })
  await settle()
  t.same(timers.delays(), [])
  const folder = join(tokenPath, '..')
  await t.rejects(inClusterCredentials({ host: '10.0.0.1', port: '443', directory: folder }), {
    message: /service account file .*ca\.crt cannot be read/
  })
  await t.rejects(kubeconfigCredentials({ path: join(folder, 'absent') }), {
    reason: 'Credentials', message: /the kubeconfig .*absent cannot be read: ENOENT/
  })
})

t.test('in a pod: server, authority, namespace and token come from the environment', async t => {
  const { tokenPath } = await setup(t)
  const folder = join(tokenPath, '..')
  await writeFile(join(folder, 'ca.crt'), 'PEM')
  await writeFile(join(folder, 'namespace'), 'realtime\n')
  const v6 = await inClusterCredentials({ host: 'fd00::1', port: '443', directory: folder })
  t.match(v6, { server: 'https://[fd00::1]:443', ca: 'PEM', namespace: 'realtime' })
  t.same(await v6.authorization(), { headers: { authorization: 'Bearer first' } })
})

t.test('a kubeconfig: token, context, namespace; read again when refused', async t => {
  const { double, tokenPath } = await setup(t)
  const path = join(tokenPath, '..', 'config')
  const write = async (token: string, server = double.url, more = '') => await writeFile(path, `
apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {server: "${server}"${more}}}]
users: [{name: u, user: {token: ${token}}}]
contexts: [{name: main, context: {cluster: c, user: u, namespace: realtime}}]
`)
  await write('first')
  const client = new KubeClient({
    credentials: await kubeconfigCredentials({ path }), userAgent: 'test'
  })
  t.teardown(() => client.close())
  t.equal(client.namespace, 'realtime')
  double.token = 'first'
  await client.list(pods)
  await write('second')
  double.token = 'second'
  await client.list(pods)
  t.equal(double.last('list').headers.authorization, 'Bearer second')
  await t.rejects(kubeconfigCredentials({ path, context: 'other' }), { message: /context "other"/ })
  await write('first', 'nonsense')
  await t.rejects(kubeconfigCredentials({ path }), { message: /names no http\(s\) server/ })
  await write('first', double.url, ', proxy-url: "http://p"')
  await t.rejects(kubeconfigCredentials({ path }), { message: /proxy-url.*not supported/ })
  await writeFile(path, '{"current-context": [')
  await t.rejects(kubeconfigCredentials({ path }), { message: /cannot be read/ })
})
