import { type AddressInfo, createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { freePorts } from '../../../src/commands/free-ports.ts'

const HOST = '127.0.0.1'
/** Where Linux begins to take ports for outgoing connections. */
const OUTGOING_FROM = 32_768

async function listening(t: Test, port: number): Promise<number> {
  const server: Server = createServer()
  t.teardown(() => server.close())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, resolve)
  })
  return (server.address() as AddressInfo).port
}

t.test('any: different ones that no outgoing connection takes and nobody holds', async (t) => {
  const ports = await freePorts(HOST, 0, 200)
  t.equal(new Set(ports).size, 200)
  t.ok(ports.every((port) => port > 1_024 && port < OUTGOING_FROM))
  t.equal(await listening(t, ports[0]!), ports[0])
})

t.test('one and those after it, or the cause why not', async (t) => {
  const [first = 0] = await freePorts(HOST, 0, 1)
  t.same(await freePorts(HOST, first, 1), [first])
  const taken = await listening(t, 0)
  await t.rejects(freePorts(HOST, taken, 1), {
    message: new RegExp(`^cannot listen on ${HOST}:${taken}: .*EADDRINUSE`)
  })
  await t.rejects(freePorts(HOST, taken - 1, 2), /EADDRINUSE/)
})

t.test('an address that is not this machine\'s', async (t) => {
  await t.rejects(freePorts('192.0.2.1', 0, 1), /on 192\.0\.2\.1:\d+: .*EADDRNOTAVAIL/)
})
