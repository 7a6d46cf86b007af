import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { until } from '../support/ably-clients.ts'
import { freePorts } from '../support/server-process.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

interface Told {
  action: number
  channel?: string
  msgSerial?: number
  error?: { code: number; statusCode: number; message: string }
}

t.test('what clients send wrong', async (t) => {
  const region = await startDevRegion({
    nodes: 1, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const bystander = await Raw.open(t, region)
  t.test('frames that are no protocol messages end their connection, with the cause', async (t) => {
    for (const bad of ['{', '[]', 'null', '{"action":"x"}', `${'['.repeat(5_000)}`]) {
      const raw = await Raw.open(t, region)
      raw.send(bad)
      const told = await raw.next(({ error }) => error !== undefined)
      t.equal(told.error?.code, 80013, bad.slice(0, 20))
      await raw.ended
    }
    const raw = await Raw.open(t, region)
    raw.send(Buffer.from([0x81, 0xa6, 0x61]))
    t.equal((await raw.next(({ error }) => error !== undefined)).error?.code, 80013)
  })
  t.test('a frame above the limit closes the socket', async (t) => {
    const raw = await Raw.open(t, region)
    raw.send('x'.repeat(600_000))
    await raw.ended
  })
  t.test('an unknown action is NACKed if it wants an answer, and ignored if not', async (t) => {
    const raw = await Raw.open(t, region)
    raw.send('{"action":99}')
    raw.send('{"action":99,"msgSerial":0}')
    const told = await raw.next(({ action }) => action === 2)
    t.match(told.error?.message, /99/)
    t.equal(told.error?.code, 40000)
  })
  t.test('what is not supported is NACKed with its code', async (t) => {
    const raw = await Raw.open(t, region)
    const frames = [
      { action: 14, channel: 'c', msgSerial: 0, presence: [{ action: 2, clientId: 'a' }] },
      { action: 21, channel: 'c', msgSerial: 1, annotations: [{ type: 'a:b.v1' }] },
      { action: 19, channel: 'c', msgSerial: 2, state: [{}] }
    ]
    for (const frame of frames) {
      raw.send(JSON.stringify(frame))
      const told = await raw.next(({ msgSerial }) => msgSerial === frame.msgSerial)
      t.equal(told.action, 2)
      t.ok(told.error?.code)
    }
  })
  t.test('a bad channel name fails that channel, by the name the client used', async (t) => {
    const raw = await Raw.open(t, region)
    for (const channel of ['', ':x', '[nonsense]x']) {
      raw.send(JSON.stringify({ action: 10, channel }))
      const told = await raw.next(({ action }) => action === 9)
      t.equal(told.channel, channel)
      t.equal(told.error?.code, 40010)
    }
  })
  t.test('a publish that is too large is NACKed, and the connection goes on', async (t) => {
    const raw = await Raw.open(t, region)
    const messages = [{ data: 'x'.repeat(70_000) }]
    raw.send(JSON.stringify({ action: 15, channel: 'c', msgSerial: 0, messages }))
    t.equal((await raw.next(({ action }) => action === 2)).error?.code, 40009)
    raw.send(JSON.stringify({ action: 15, channel: 'c', msgSerial: 1, messages: [{ data: 'x' }] }))
    t.equal((await raw.next(({ action }) => action === 1)).msgSerial, 1)
  })
  t.test('others were not disturbed', async (t) => {
    bystander.send('{"action":0,"id":"still here"}')
    await bystander.next((told) => told.action === 0 && 'id' in told)
    t.notOk(bystander.isEnded)
  })
  t.test('HTTP: unknown paths, wrong methods, bad bodies, formats', (t) => http(t, region.urls[0]!))
})

async function http(t: Test, url: string): Promise<void> {
  const missing = await fetch(`${url}/nowhere`)
  t.equal(missing.status, 404)
  t.equal(missing.headers.get('content-type'), 'application/json')
  t.equal(missing.headers.get('x-ably-errorcode'), '40400')
  t.match(await missing.json(), { error: { code: 40400, statusCode: 404 } })
  const packed = await fetch(`${url}/time`, { headers: { accept: 'application/x-msgpack' } })
  t.equal(packed.headers.get('content-type'), 'application/x-msgpack')
  const [time] = (await (await fetch(`${url}/time`)).json()) as [number]
  t.ok(Math.abs(time - Date.now()) < 60_000)
  const headers = { 'content-type': 'application/json' }
  const bad = await fetch(`${url}/apps`, { method: 'POST', headers, body: '{' })
  t.equal(bad.status, 400)
  t.match(await bad.json(), { error: { code: 40001 } })
  const wrong = await fetch(`${url}/apps`, {
    method: 'POST', headers, body: '{"keys":[{"capability":"nonsense"}]}'
  })
  t.equal(wrong.status, 400)
  const preflight = await fetch(`${url}/time`, { method: 'OPTIONS' })
  t.equal(preflight.headers.get('access-control-allow-origin'), '*')
}

t.test('what people start wrong: one line that names the cause, and no stack', async (t) => {
  t.test('a port in use', async (t) => {
    const holder = createServer()
    const port = await new Promise<number>((resolve) => {
      holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port))
    })
    t.teardown(() => holder.close())
    const { code, errors } = await run(['dev', '--port', String(port)])
    t.equal(code, 1)
    t.match(errors, new RegExp(`127.0.0.1:${port}.*EADDRINUSE`))
    t.notMatch(errors, /\n {4}at /)
  })
  t.test('variables that are not set', async (t) => {
    const { code, errors } = await run(['node'])
    t.equal(code, 1)
    t.match(errors, /RINGCAST_REGION is not set.*RINGCAST_NATS_URL is not set/)
  })
  t.test('a kubeconfig that is not there', async (t) => {
    const { code, errors } = await run(['ring', '--region', 'r', '--kubeconfig', '/none/such'])
    t.equal(code, 1)
    t.match(errors, /none\/such/)
    t.notMatch(errors, /\n {4}at /)
  })
  t.test('a server that is not there', async (t) => {
    const url = 'http://127.0.0.1:1'
    const { code, errors } = await run(['check', '--url', url, '--key', 'a.b:c'])
    t.equal(code, 1)
    t.match(errors, /cannot connect to http:\/\/127.0.0.1:1/)
  })
  t.test('an unknown command', async (t) => {
    const { code, errors } = await run(['nonsense'])
    t.not(code, 0)
    t.match(errors, /unknown command/)
  })
})

t.test('a node waits, unready and alive, while the Kubernetes API is away', async (t) => {
  const [port = 0, privatePort = 0] = await freePorts(2)
  const environment = {
    RINGCAST_REGION: 'r', RINGCAST_NAMESPACE: 'n', RINGCAST_RING: 'r', RINGCAST_POD_NAME: 'r-0',
    RINGCAST_POD_UID: 'u', RINGCAST_POD_IP: '127.0.0.1', RINGCAST_NATS_URL: 'nats://127.0.0.1:1',
    RINGCAST_APPS_SECRET: 's', RINGCAST_HOST: '127.0.0.1', RINGCAST_PORT: String(port),
    RINGCAST_PRIVATE_PORT: String(privatePort),
    KUBERNETES_SERVICE_HOST: '', KUBERNETES_SERVICE_PORT: '', KUBECONFIG: await kubeconfig(t)
  }
  const child = start(t, ['node'], environment)
  let output = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await until('the cause is told', () => /127\.0\.0\.1:1\b/.test(output))
  const ready = await fetch(`http://127.0.0.1:${privatePort}/readyz`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { reason: /waiting for the ring object/ })
  t.equal((await fetch(`http://127.0.0.1:${privatePort}/livez`)).status, 200)
  t.equal(child.exitCode, null)
})

class Raw {
  readonly #socket: WebSocket
  readonly #told: Told[] = []
  readonly ended: Promise<void>
  isEnded = false

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer) => this.#told.push(JSON.parse(data.toString()) as Told))
    socket.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.isEnded = true
        resolve()
      })
    })
  }

  static async open(t: Test, region: DevRegion): Promise<Raw> {
    const url = region.urls[0]!.replace('http', 'ws')
    const raw = new Raw(new WebSocket(`${url}/?key=${encodeURIComponent(region.key)}&v=6`))
    t.teardown(() => raw.#socket.terminate())
    await raw.next(({ action }) => action === 4)
    return raw
  }

  send(data: string | Buffer): void {
    this.#socket.send(data)
  }

  async next(wants: (told: Told) => boolean): Promise<Told> {
    await until('an answer', () => this.#told.some(wants))
    return this.#told.splice(this.#told.findIndex(wants), 1)[0]!
  }
}

function start(t: Test, args: string[], environment: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, ...environment }, stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function run(args: string[]): Promise<{ code: number; errors: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH }, stdio: ['ignore', 'ignore', 'pipe']
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const code = await new Promise<number>((resolve) => child.on('close', (c) => resolve(c ?? -1)))
  return { code, errors }
}

async function kubeconfig(t: Test): Promise<string> {
  const dir = t.testdir({
    config: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:1' } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x'
    })
  })
  return join(dir, 'config')
}
