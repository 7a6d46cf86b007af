/**
 * What can be done to a port below the protocol: handshakes that are none or never end, requests
 * of all kinds, and WebSocket frames with everything wrong that RFC 6455 forbids, in pieces.
 */

import type { FuzzFrame } from './frames.ts'
import type { Odd } from './odd.ts'

const KEY = 'AAAAAAAAAAAAAAAAAAAAAA=='
const MASK = Buffer.from([1, 2, 3, 4])

/** One client's end of a TCP connection, as bytes: what it writes, one piece after the other. */
export type Pieces = Generator<Buffer>

/** The request that opens a WebSocket with this query. */
export function handshake(query: string): Buffer {
  return Buffer.from([
    `GET /?${query} HTTP/1.1`, 'Host: 127.0.0.1', 'Upgrade: websocket', 'Connection: Upgrade',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${KEY}`, '', ''
  ].join('\r\n'), 'latin1')
}

/** A handshake with something wrong, or something that is none. */
export function brokenHandshake(odd: Odd, query: string): Buffer {
  const right = handshake(query)
  switch (odd.below(9)) {
    case 0: return right.subarray(0, odd.below(right.length))
    case 1: return Buffer.from(odd.damaged(right))
    case 2: return Buffer.from(odd.bytes())
    case 3: return Buffer.from('\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001', 'latin1')
    case 4: return request(`GET /${'a/'.repeat(odd.below(3_000))} HTTP/1.1`, [])
    case 5: return request('POST /apps HTTP/1.1', ['Content-Length: 1000', 'Expect: 100-continue'])
    case 6: return request('POST /keys/a.b/requestToken HTTP/1.1',
      ['Transfer-Encoding: chunked', 'Content-Type: application/x-msgpack'], '5\r\n\xc1\xc1')
    case 7: return request(`GET /time?${query} HTTP/1.1`, [
      'Accept: application/x-msgpack', `Authorization: Basic ${odd.text().trim()}`
    ])
    default: return request(`${odd.one(['PUT', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY'])} / HTTP/1.1`,
      ['Connection: Upgrade', 'Upgrade: h2c', 'Content-Length: 5'], 'a')
  }
}

/** A request for what nodes do by HTTP, comet and events among it; its body may be wrong. */
export function oddRequest(odd: Odd, key: string, body: FuzzFrame): Buffer {
  const channel = encodeURIComponent(odd.one(['one', '[?rewind=1]one', '\u0000', ':', 'a/b', '%']))
  const credentials = odd.once(6) ? odd.text().toWellFormed() : key
  const query = `key=${encodeURIComponent(credentials)}&${odd.one(QUERIES)}`
  const comet = encodeURIComponent(odd.once(2) ? 'a!b.c' : odd.text().toWellFormed())
  const [method, path] = odd.one([
    ['POST', `/channels/${channel}/messages`], ['GET', `/channels/${channel}/messages`],
    ['GET', `/channels/${channel}/presence`], ['GET', `/channels/${channel}`],
    ['POST', `/keys/${key.split(':')[0]}/requestToken`], ['POST', `/keys/${channel}/revokeTokens`],
    ['POST', '/messages'], ['GET', '/comet/connect'], ['GET', `/comet/${comet}/recv`],
    ['POST', `/comet/${comet}/send`], ['GET', `/comet/${comet}/close`], ['GET', '/sse'],
    ['GET', '/event-stream'], ['GET', '/stats'], ['GET', '/channels'], ['PATCH', '/channels/a/b']
  ] as const)
  const bytes = Buffer.from(odd.once(100) ? odd.deepText() : body.data)
  const head = request(`${method} ${path}?${query} HTTP/1.1`, [
    `Content-Type: application/${body.isBinary ? 'x-msgpack' : 'json'}`,
    `Accept: ${odd.one(['application/json', 'application/x-msgpack', '*/*', ''])}`,
    `Content-Length: ${odd.once(20) ? bytes.length + 5 : bytes.length}`,
    `X-Ably-Version: ${odd.one(['6', '2', 'x', ''])}`
  ])
  return Buffer.concat([head, bytes])
}

const QUERIES = [
  '', 'limit=-1', 'limit=99999', 'direction=sideways', 'start=x&end=1', 'stream=true', 'v=6',
  'format=msgpack', 'envelope=json', 'channels=one,two&v=1.2', 'lastEvent=%00', 'rewind=x', 'a=%ff'
]

function request(line: string, headers: readonly string[], body = ''): Buffer {
  const text = [line, 'Host: 127.0.0.1', ...headers, '', body].join('\r\n')
  return Buffer.from(text.replaceAll(/[^\x00-\xff]/g, '?'), 'latin1')
}

/** A query that a client could send, percent signs and all. */
export function queryOf(odd: Odd, key: string, format: string): string {
  const parts = [`key=${encodeURIComponent(key)}`, `format=${format}`, 'v=6']
  if (odd.once(4)) parts.push(odd.one([
    'clientId=%ff', 'clientId=%', 'clientId=a&clientId=b', 'clientId[]=a', 'resume=%00',
    'recover=a!b.c', 'v=', 'v=%F0%9F', '__proto__=1', '&&&', '=', 'heartbeats', 'a'.repeat(9_000)
  ]))
  if (odd.once(8)) parts[odd.below(parts.length)] = odd.one(['', 'key=', 'v=7', 'format=xml'])
  return parts.join('&')
}

/** A frame as a client has to write it. */
export function wholeFrame(frame: FuzzFrame): Buffer {
  return framed(frame.isBinary ? 0x82 : 0x81, Buffer.from(frame.data))
}

/** The same frame with something wrong or unusual about how it is framed. */
export function* mangled(odd: Odd, frame: FuzzFrame): Pieces {
  const payload = Buffer.from(frame.data)
  const opcode = frame.isBinary ? 2 : 1
  switch (odd.below(12)) {
    case 0: {
      yield* fragments(odd, opcode, payload)
      return
    }
    case 1: {
      for (const byte of wholeFrame(frame).subarray(0, 300)) yield Buffer.of(byte)
      if (payload.length < 290) return
      yield wholeFrame(frame).subarray(300)
      return
    }
    case 2: yield framed(0x80 | odd.below(16), payload); return
    case 3: yield framed(0xf0 | opcode, payload); return
    case 4: yield framed(0x80 | opcode, payload, false); return
    case 5: yield framed(0x89, Buffer.alloc(odd.below(300))); return
    case 6: yield framed(0x81, Buffer.from([0xc3, 0x28, 0xed, 0xa0, 0x80, ...payload])); return
    case 7: yield framed(0x88, Buffer.from([odd.below(256), odd.below(256), 0xff])); return
    case 8: yield Buffer.from([0x82, 0xff, 0, 0, 0, odd.below(256), 0, 0, 0, 0, 1, 2, 3, 4]); return
    case 9: yield framed(0x82, Buffer.alloc(600_000)); return
    case 10: yield wholeFrame(frame).subarray(0, odd.below(payload.length + 4)); return
    default: yield Buffer.from(odd.bytes())
  }
}

function* fragments(odd: Odd, opcode: number, payload: Buffer): Pieces {
  const count = 1 + odd.below(5)
  const size = Math.ceil(payload.length / count)
  for (let no = 0; no < count; no++) {
    const isLast = no === count - 1
    const head = (isLast ? 0x80 : 0) | (no === 0 ? opcode : odd.once(15) ? opcode : 0)
    yield framed(head, payload.subarray(no * size, (no + 1) * size))
    if (odd.once(3)) yield framed(0x89, Buffer.from('in between'))
  }
}

function framed(head: number, payload: Buffer, isMasked = true): Buffer {
  const size = payload.length
  const sizeBytes = size < 126 ? Buffer.of(size)
    : size < 65_536 ? Buffer.of(126, size >> 8, size & 255)
      : Buffer.of(127, 0, 0, 0, 0, (size >> 24) & 255, (size >> 16) & 255, (size >> 8) & 255,
        size & 255)
  if (!isMasked) return Buffer.concat([Buffer.of(head), sizeBytes, payload])
  sizeBytes[0]! |= 0x80
  const masked = Buffer.from(payload)
  for (let at = 0; at < size; at++) masked[at]! ^= MASK[at & 3]!
  return Buffer.concat([Buffer.of(head), sizeBytes, MASK, masked])
}
