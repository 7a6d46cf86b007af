/**
 * `make bench-requests`: what requests cost one worker.
 *
 *   publishes by REST per second of its CPU time: one message, and ten in one request, with a key
 *   and with tokens, beside `/time`, which asks for nothing
 *   checks of credentials per second, by one thread, without sockets
 *   10,000 keys of one app: read from their document, and known to a running node
 */

import { type ChildProcess, fork } from 'node:child_process'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { AppDirectory, parseApps } from '../../src/auth/app.ts'
import { issueAblyToken } from '../../src/auth/ably-token.ts'
import { authenticate } from '../../src/auth/connect.ts'
import { jwtOf } from '../support/tokens.ts'
import { heardOf, quantile } from './acked-socket.ts'
import type {
  RequestServerAnswer, RequestServerAsk, RequestServerReady
} from './request-server.ts'

const REQUESTS = 6_000
const WARM_REQUESTS = 1_000
const AT_ONCE = 16
const CHECKS = 20_000
const KEYS = 10_000
const MESSAGE = { name: 'tick', data: 'x'.repeat(128) }

interface Load {
  readonly what: string
  readonly method: 'GET' | 'POST'
  readonly path: (no: number) => string
  readonly authorization?: string
  readonly body?: unknown
}

class RequestServer {
  readonly url: string
  readonly key: string
  readonly #child: ChildProcess
  readonly #agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

  private constructor(child: ChildProcess, { url, key }: RequestServerReady) {
    this.#child = child
    this.url = url
    this.key = key
  }

  static async start(): Promise<RequestServer> {
    const child = fork(join(import.meta.dirname, 'request-server.ts'))
    return new RequestServer(child, await heardOf<RequestServerReady>(child))
  }

  ask(what: RequestServerAsk): Promise<RequestServerAnswer> {
    const answer = heardOf<RequestServerAnswer>(this.#child)
    this.#child.send(what)
    return answer
  }

  /** Makes so many of the load's requests, some at once; gives how long each took, in ms. */
  async run(load: Load, count: number): Promise<number[]> {
    const took: number[] = []
    let no = 0
    const one = async (): Promise<void> => {
      while (no < count) {
        const startMs = performance.now()
        await this.#send(load, no++)
        took.push(performance.now() - startMs)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, one))
    return took
  }

  end(): void {
    this.#agent.destroy()
    this.#child.kill('SIGKILL')
  }

  #send({ method, path, authorization, body }: Load, no: number): Promise<void> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    if (authorization !== undefined) headers['authorization'] = authorization
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.url)
      const sent = request(
        { hostname, port, method, path: path(no), headers, agent: this.#agent },
        (answer) => {
          answer.resume()
          const { statusCode = 0 } = answer
          if (statusCode >= 300) reject(new Error(`${method} ${path(no)}: ${statusCode}`))
          answer.on('end', () => resolve())
        }
      )
      sent.on('error', reject)
      sent.end(text)
    })
  }
}

function basic(key: string): string {
  return `Basic ${Buffer.from(key).toString('base64')}`
}

function bearer(token: string): string {
  return `Bearer ${Buffer.from(token).toString('base64')}`
}

/** A token that the region itself gives. */
async function ablyToken(url: string, key: string): Promise<string> {
  const [keyName] = key.split(':') as [string]
  const answer = await fetch(`${url}/keys/${keyName}/requestToken`, {
    method: 'POST', headers: { authorization: basic(key), 'content-type': 'application/json' },
    body: '{}'
  })
  return ((await answer.json()) as { token: string }).token
}

async function requests(server: RequestServer, token: string): Promise<void> {
  console.log(`${REQUESTS} requests each, ${AT_ONCE} at once, to one worker`)
  const path = (no: number): string => `/channels/bench${no % 64}/messages`
  const ten = Array.from({ length: 10 }, () => MESSAGE)
  const loads: readonly (Load & { readonly messages: number })[] = [
    { what: 'GET /time', method: 'GET', path: () => '/time', messages: 0 },
    { what: 'a publish, with a key', method: 'POST', path, authorization: basic(server.key),
      body: MESSAGE, messages: 1 },
    { what: 'a publish, with an Ably token', method: 'POST', path, authorization: bearer(token),
      body: MESSAGE, messages: 1 },
    { what: 'a publish, with a JWT', method: 'POST', path, body: MESSAGE, messages: 1,
      authorization: bearer(jwtOf(server.key)) },
    { what: 'ten messages in one publish, with a key', method: 'POST', path, body: ten,
      authorization: basic(server.key), messages: 10 }
  ]
  for (const load of loads) {
    await server.run(load, WARM_REQUESTS)
    const before = await server.ask('cpu')
    const took = await server.run(load, REQUESTS)
    const seconds = (await server.ask('cpu')).cpuSeconds - before.cpuSeconds
    const messages = load.messages > 1
      ? `, ${perSecond(REQUESTS * load.messages, seconds)} messages` : ''
    console.log(`  ${load.what}: ${perSecond(REQUESTS, seconds)} per CPU second${messages}; ` +
      `answered after ${quantile(took, 0.5).toFixed(2)} ms (p50), ` +
      `${quantile(took, 0.99).toFixed(1)} ms (p99)`)
  }
}

/** By one thread: what is proven of a request or a connection, without anything else. */
function checks(): void {
  const secret = 's'.repeat(32)
  const keys = Array.from({ length: KEYS }, (_, at) => ({
    id: `k${at}`, secret: `${secret}${at}`, capability: { '*': ['*'] }
  }))
  const document = { apps: [{ appId: 'bench', keys, namespaces: [], limits: {} }] }
  const text = JSON.stringify(document)
  const startMs = performance.now()
  const parsed = parseApps(JSON.parse(text))
  if (!parsed.ok) throw new Error(parsed.problems.join())
  const directory = new AppDirectory(parsed.apps, 1)
  const readMs = performance.now() - startMs
  console.log(`${KEYS} keys of one app, ${(text.length / 1e6).toFixed(1)} MB: read in ` +
    `${readMs.toFixed(0)} ms`)
  console.log(`Checks of credentials, one thread, among ${KEYS} keys`)
  const nowMs = Date.now()
  const key = `bench.k${KEYS / 2}:${secret}${KEYS / 2}`
  const found = directory.key(`bench.k${KEYS / 2}`)!
  const token = issueAblyToken(found, {
    capability: found.key.capability, clientId: 'c', issuedAtMs: nowMs, expiresAtMs: nowMs + 60_000
  })
  const shown = { 'a key': { key }, 'an Ably token': { accessToken: token },
    'a JWT': { accessToken: jwtOf(key, { clientId: 'c', capability: { 'c:*': ['publish'] } }) } }
  for (const [what, credentials] of Object.entries(shown)) {
    const check = (): void => {
      if (!authenticate(credentials, directory, nowMs).ok) throw new Error(`${what} is refused`)
    }
    for (let count = 0; count < CHECKS / 4; count++) check()
    const beganMs = performance.now()
    for (let count = 0; count < CHECKS; count++) check()
    const seconds = (performance.now() - beganMs) / 1_000
    console.log(`  ${what}: ${perSecond(CHECKS, seconds)} a second`)
  }
}

async function manyKeys(server: RequestServer): Promise<void> {
  const before = await server.ask('cpu')
  const { tookMs, residentBytes, cpuSeconds } = await server.ask(KEYS)
  const grown = (residentBytes - before.residentBytes) / 1e6
  console.log(`${KEYS} keys given to a running node: its worker knows them after ` +
    `${tookMs.toFixed(0)} ms, ${(cpuSeconds - before.cpuSeconds).toFixed(2)} s of CPU time, ` +
    `${grown.toFixed(0)} MB more`)
}

function perSecond(count: number, seconds: number): string {
  return Math.round(count / seconds).toLocaleString('en')
}

const server = await RequestServer.start()
try {
  const token = await ablyToken(server.url, server.key)
  await requests(server, token)
  await manyKeys(server)
} finally {
  server.end()
}
checks()
