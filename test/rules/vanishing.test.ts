import { connect } from 'node:net'
import { limits } from '../../src/base/limits.ts'
import { handshake, wholeFrame } from '../fuzz/raw-lives.ts'
import { until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { ruleFile } from './support/rule.ts'

/** Resolves with how long it took until the server has closed a connection that said this. */
async function closedAfterMs(url: string, said: string | Buffer): Promise<number> {
  const startedAtMs = performance.now()
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.resume()
  if (said.length > 0) socket.write(said)
  await new Promise((resolve) => socket.on('close', resolve))
  return performance.now() - startedAtMs
}

ruleFile('vanishing', (rule) => {
  rule('B6', 'who is not heard any more is dropped; who says nothing is closed', async (t, on) => {
    const channel = on.name('deaf')
    const watcher = on.client(t, 1).channels.get(channel)
    const left: string[] = []
    await watcher.presence.subscribe('leave', ({ clientId }) => void left.push(clientId))
    const cable = await Cable.to(t, on.url(0))
    const params = { key: on.key, clientId: 'ann', remainPresentFor: '0' }
    const ann = await PlainSocket.connected(t, cable.url, { format: on.format, params })
    ann.send({ action: 10, channel })
    await ann.next(({ action }) => action === 11)
    ann.send({ action: 14, channel, msgSerial: 0, presence: [{ action: 2 }] })
    await ann.next(({ action }) => action === 1)
    cable.silence()
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n'
    const body = 'POST /apps HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{'
    const wrong = { data: Buffer.from('{'), isBinary: false }
    const query = `v=6&key=${encodeURIComponent(on.key)}`
    const staying = Buffer.concat([handshake(query), wholeFrame(wrong)])
    const [silent, half, halfBody, ended] = await Promise.all([
      closedAfterMs(on.url(0), ''), closedAfterMs(on.url(0), head), closedAfterMs(on.url(0), body),
      closedAfterMs(on.url(0), staying),
      until('ann is gone', () => left.includes('ann'), 60_000)
    ])
    t.ok(silent < 2 * limits.requestHeadMs, `nothing said: ${silent} ms`)
    t.ok(half < 2 * limits.requestHeadMs, `half a handshake: ${half} ms`)
    t.ok(ended < 2 * limits.closingMs, `told its end, and stays: ${ended} ms`)
    t.ok(halfBody < 2 * limits.requestBodyMs, `half a body: ${halfBody} ms`)
  })
})
