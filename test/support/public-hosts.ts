/**
 * Stand-ins, on this machine, for hosts on the internet that an official SDK's own tests talk to
 * and that their kit stands in for differently than the tests expect, or not at all:
 *
 * - the echo service: what the kit's own stand-in says, but a posted form is echoed as JSON where
 *   JSON is wanted, JSON has a charset, methods are named in small letters, and nothing is at `/`;
 * - the host by which the SDK learns whether WebSockets get through: it takes them;
 * - the public sandbox: it is the region under test.
 *
 * Names are resolved to it in the test process alone (`public-names.ts`).
 */

import { readFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import { createAuthority } from './pki.ts'

const ECHO = 'echo.ably.io'
const SOCKETS = 'ws-up.ably-realtime.com'
const SANDBOX = 'sandbox.realtime.ably-nonprod.net'
/** Where the kit's own stand-ins listen, and where these do. */
const KIT_ADDRESS = '127.0.0.1'
const ADDRESS = '127.0.0.3'

export interface PublicHosts {
  /** What makes a Node process take these for the hosts. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/**
 * Starts them on ports 80 and 443; `folder` is for their certificate. Rejects where these ports
 * are not ours to take.
 */
export async function startPublicHosts(folder: string, regionUrl: string): Promise<PublicHosts> {
  const names = [ECHO, SOCKETS, SANDBOX]
  const authority = createAuthority(folder)
  const { certFile, keyFile } = authority.issue({
    name: 'public', subject: '/CN=public', names: names.map((name) => `DNS:${name}`)
  })
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const host = request.headers.host?.split(':', 1)[0]
    if (host === SANDBOX) forward(request, response, regionUrl)
    else if (host === ECHO) echo(request, response)
    else response.writeHead(404).end()
  }
  const plain = http.createServer(onRequest)
  const secure = https.createServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile) }, onRequest)
  const sockets = new WebSocketServer({ noServer: true })
  secure.on('upgrade', (request, socket, head) => {
    if (request.headers.host === SOCKETS) sockets.handleUpgrade(request, socket, head, () => {})
    else socket.destroy()
  })
  await Promise.all([listen(plain, 80), listen(secure, 443)])
  const preload = join(import.meta.dirname, 'public-names.ts')
  return {
    env: {
      NODE_OPTIONS: `--import ${preload}`,
      PUBLIC_ADDRESS: ADDRESS,
      PUBLIC_NAMES: names.join(','),
      PUBLIC_AUTHORITY: authority.certFile
    },
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate()
      await Promise.all([close(plain), close(secure)])
    }
  }
}

/** What the kit's stand-in does otherwise is done here; it answers the rest. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', `https://${ECHO}`)
  if (url.pathname === '/methods') {
    sendJson(response, JSON.stringify({ method: request.method?.toLowerCase() }))
  } else if (url.pathname === '/' && url.search === '') {
    response.writeHead(404).end()
  } else {
    readBody(request, (body) => {
      const { headers } = request
      const isForm = (headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')
      const isEchoed = isForm && url.searchParams.get('type') === 'json'
      const fields = isEchoed ? new URLSearchParams(body.toString('utf8')) : undefined
      if (fields !== undefined) sendJson(response, JSON.stringify(Object.fromEntries(fields)))
      else forward(request, response, `https://${KIT_ADDRESS}`, body)
    })
  }
}

function sendJson(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(text)
}

function readBody(request: IncomingMessage, onBody: (body: Buffer) => void): void {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => void parts.push(part))
  request.on('end', () => onBody(Buffer.concat(parts)))
}

/** Asks `base` the same; `body` undefined: it is still to come. */
function forward(
  request: IncomingMessage, response: ServerResponse, base: string, body?: Buffer
): void {
  const { method, headers } = request
  const target = new URL(request.url ?? '/', base)
  const options: RequestOptions = { method, headers, rejectUnauthorized: false, servername: ECHO }
  const { request: ask } = target.protocol === 'https:' ? https : http
  const asked = ask(target, options, (answer) => {
    const type = answer.headers['content-type']
    const told = type === 'application/json' && target.protocol === 'https:'
      ? { ...answer.headers, 'content-type': `${type}; charset=utf-8` } : answer.headers
    response.writeHead(answer.statusCode ?? 502, told)
    answer.pipe(response)
  })
  asked.on('error', (error) => response.writeHead(502).end(error.message))
  if (body === undefined) request.pipe(asked)
  else asked.end(body)
}

function listen(server: http.Server | https.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, ADDRESS, () => resolve())
  })
}

function close(server: http.Server | https.Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
