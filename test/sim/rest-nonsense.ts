/** Requests that make no sense, and what they must be answered. */

import { encode } from '@msgpack/msgpack'
import type { RawRequest } from '../../src/node/request.ts'
import { KEY } from './app.ts'

/** What must be answered: a status, and the code of an error if it is one. */
export interface Nonsense extends Partial<RawRequest> {
  readonly status: number
  readonly code?: number
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const base64 = (text: string): string => Buffer.from(text).toString('base64')

export function basic(key: string): string {
  return `Basic ${base64(key)}`
}

const authorization = basic(KEY)

function get(target: string, status: number, code?: number, headers = {}): Nonsense {
  return { method: 'GET', target, status, code, headers: { authorization, ...headers } }
}

function post(target: string, body: unknown, status: number, code?: number, headers = {})
  : Nonsense {
  const type = { 'content-type': 'application/json' }
  return {
    method: 'POST', target, status, code, headers: { authorization, ...type, ...headers },
    body: typeof body === 'string' ? bytes(body) : bytes(JSON.stringify(body))
  }
}

const CH = '/channels/nonsense'
/** More channels than a batch may have. */
const MANY = Array.from({ length: 11 }, () => ({
  channels: Array.from({ length: 100 }, (_, at) => `a${at}`), messages: {}
}))
/** More bytes. */
const LARGE = 'x'.repeat(2 * 1024 * 1024 + 1)

export const NONSENSE: readonly Nonsense[] = [
  get('/time', 200),
  get('/time?envelope=json', 200),
  get('/time', 200, undefined, { accept: 'application/x-msgpack' }),
  get('/nowhere', 404, 40400),
  get('/', 404, 40400),
  get('/%zz', 400, 40000),
  { method: 'PUT', target: '/time', status: 405, code: 40500 },
  get('/time', 400, 40017, { 'x-ably-version': '1.2' }),
  get('/time?v=9', 400, 40017),
  get('/channels/:x/messages', 400, 40010),
  get('/channels/:x/messages/1', 400, 40010),
  get(`${CH}/messages?limit=0`, 400, 40003),
  get(`${CH}/history?limit=1001`, 400, 40003),
  get(`${CH}/messages?start=now`, 400, 40003),
  get(`${CH}/messages?start=2&end=1`, 400, 40003),
  get(`${CH}/messages?end=1.5`, 400, 40003),
  get(`${CH}/presence/history?direction=up`, 400, 40003),
  get(`${CH}/messages?cursor=x`, 400, 40011),
  get(`${CH}/messages?from_serial=x`, 400, 40003),
  get(`${CH}/messages?fromSerial=rc1~other~1~1~1`, 400, 90008),
  get(`${CH}/messages/00000000000001-000@x:000`, 404, 40400),
  get(`${CH}/messages/nonsense`, 404, 40400),
  get(`${CH}/presence?limit=0`, 400, 40003),
  get(`${CH}/presence?cursor=!`, 400, 40011),
  get('/channels/:x/presence', 400, 40010),
  get('/channels/:x', 400, 40010),
  get('/channels/%5Bmeta%5Dx', 400, 40010),
  get('/channels?limit=1001', 400, 40003),
  get('/channels?cursor=!', 400, 40011),
  get('/channels?by=x', 400, 40003),
  get('/channels?prefix=%5Bmeta%5D', 200),
  get('/presence', 400, 40003),
  get(`/presence?channels=${'a,'.repeat(100)}`, 400, 40003),
  get('/presence?channels=:x', 400, 40020),
  get('/presence?channels=:x', 200, undefined, { 'x-ably-version': '6' }),
  post('/messages', [], 400, 40001),
  post('/messages', '', 400, 40001),
  post('/messages', [7], 400, 40001),
  post('/messages', { channels: 7, messages: {} }, 400, 40001),
  post('/messages', { channels: [], messages: {} }, 400, 40001),
  post('/messages', { channels: 'a', messages: 'b' }, 400, 40001),
  post('/messages', MANY, 400, 40001),
  post('/messages', { channels: ':x', messages: {} }, 400, 40020),
  post('/messages?_forceNack=true', {}, 400, 40099),
  post('/messages', LARGE, 413, 40009),
  get('/stats?unit=year', 400, 40003),
  get('/stats?direction=up', 400, 40003),
  get('/stats?limit=0', 400, 40003),
  get('/stats?start=yesterday', 400, 40003),
  get('/stats?end=2026-02-30', 400, 40003),
  get('/stats?start=2026-03&end=2026-02', 400, 40003),
  get('/stats?cursor=x', 400, 40011),
  get('/stats?cursor=eHk', 400, 40011),
  post(`${CH}/messages`, {}, 401, 40101, { authorization: undefined }),
  post(`${CH}/messages`, {}, 401, 40101, { authorization: basic('app.key:wrong') }),
  post(`${CH}/messages`, {}, 401, 40101, { authorization: 'Basic ???' }),
  post(`${CH}/messages`, {}, 401, 40144, { authorization: 'Bearer a.b.c' }),
  post(`${CH}/messages`, {}, 400, 40012, { 'x-ably-clientid': base64('*') }),
  post(`${CH}/messages?key=${KEY}`, '{', 400, 40001, { authorization: undefined }),
  post('/channels/:x/messages', {}, 400, 40010),
  post('/channels/%5Bmeta%5Dx/messages', {}, 400, 40010),
  post(`${CH}/messages`, '', 400, 40001),
  post(`${CH}/messages`, [], 400, 40001),
  post(`${CH}/messages`, { data: 7 }, 400, 40013),
  post(`${CH}/messages`, { connectionKey: 'made!up' }, 400, 40006),
  post(`${CH}/messages`, [{ connectionKey: 'a!b' }, {}], 400, 40006),
  post(`${CH}/messages`, { data: 'x'.repeat(70_000) }, 413, 40009),
  post(`${CH}/messages`, [{ id: 'a:0' }, { id: 'b:1' }], 400, 40031),
  post(`${CH}/messages?_forceNack=true`, { data: 'a' }, 400, 40099),
  post(`${CH}/messages?enveloped=false`, 'x', 400, 40012, {
    'content-type': 'text/plain', 'x-ably-messageclientid': '*'
  }),
  post(`${CH}/messages?enveloped=false&x-ably-messageid=`, '{}', 400, 40031),
  post(`${CH}/messages`, 'name=a&clientId=*', 400, 40012, {
    'content-type': 'application/x-www-form-urlencoded'
  }),
  {
    method: 'POST', target: `${CH}/messages`, status: 400, code: 40012, body: encode([{
      data: bytes('a'), clientId: 'another'
    }]),
    headers: {
      authorization, 'content-type': 'application/x-msgpack', 'x-ably-clientid': base64('me')
    }
  }
]
