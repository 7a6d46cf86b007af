/**
 * The sandbox API of dev mode (protocol 23): throw-away apps for tests, made on one node and known
 * on all. In production none of it is served: `/apps` is no path, and `/stats` is only read.
 */

import type { FastifyInstance } from 'fastify'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { answer, answerError, bodyOf } from './rest.ts'

/** What the sandbox asks of the process that keeps the apps. */
export interface Provisioner {
  /** Makes an app as `body` asks; its answer in the shape of protocol 23.1, or why not. */
  createApp(body: unknown): Promise<{ app: object } | { error: ErrorInfo }>
  /** True if there was such an app. */
  deleteApp(appId: string): Promise<boolean>
  /** Adds to the statistics of the app of this key; or says why not. */
  addStats(key: string, body: unknown): Promise<ErrorInfo | undefined>
}

/** Serves `POST /apps`, `DELETE /apps/{id}` and `POST /stats`. */
export function serveSandbox(server: FastifyInstance, provisioner: Provisioner): void {
  server.post('/apps', async (request, reply) => {
    const body = bodyOf(request)
    if (!body.ok) return answerError(request, reply, body.error.info)
    const created = await provisioner.createApp(body.value)
    if ('error' in created) return answerError(request, reply, created.error)
    const { host, port } = addressOf(request.headers.host)
    return answer(request, reply, 201, { ...created.app, endpoint: host, port, tls: false })
  })
  server.delete<{ Params: { appId: string } }>('/apps/:appId', async (request, reply) => {
    const existed = await provisioner.deleteApp(request.params.appId)
    if (!existed) {
      return answerError(request, reply, errors.notFound(`app ${request.params.appId}`).info)
    }
    return reply.code(204).send()
  })
  server.post<{ Querystring: { key?: string } }>('/stats', async (request, reply) => {
    const body = bodyOf(request)
    if (!body.ok) return answerError(request, reply, body.error.info)
    const key = basicKey(request.headers.authorization) ?? request.query.key ?? ''
    const error = await provisioner.addStats(key, body.value)
    if (error !== undefined) return answerError(request, reply, error)
    return answer(request, reply, 201, [])
  })
}

/** The key in a header of Basic authentication. */
function basicKey(authorization: string | undefined): string | undefined {
  const encoded = /^basic\s+(\S+)$/i.exec(authorization?.trim() ?? '')?.[1]
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8')
}

/** Where the caller reached us is where its clients will. */
function addressOf(hostHeader: string | undefined): { host: string; port: number } {
  const at = hostHeader?.lastIndexOf(':') ?? -1
  if (hostHeader === undefined || at < 0) return { host: hostHeader ?? '127.0.0.1', port: 80 }
  return { host: hostHeader.slice(0, at), port: Number(hostHeader.slice(at + 1)) }
}
