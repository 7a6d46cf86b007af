/* Ports that one test is given no other one is, whatever becomes of who listens there. */

import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { freePorts as freePortsOf } from '../../../src/commands/free-ports.ts'
import { freePorts } from '../../support/server-process.ts'

/** So many of the 16,384 there are that another process would mostly be given some of them. */
const COUNT = 400
const SUPPORT = join(import.meta.dirname, '..', '..', 'support', 'server-process.ts')
const ANOTHER = `import { freePorts } from ${JSON.stringify(SUPPORT)}
console.log(JSON.stringify(await freePorts(${COUNT})))`

t.test('none is given twice, in this process or in another one', async (t) => {
  const [here, again] = [await freePorts(COUNT), await freePorts(COUNT)]
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', ANOTHER])
  const there: number[] = JSON.parse(stdout.toString())
  t.equal(new Set([...here, ...again, ...there]).size, 3 * COUNT)
  const free = await freePortsOf('127.0.0.1', here[0]!, 1)
  t.same(free, here.slice(0, 1), 'and nothing listens there')
})

t.test('a server listens on one, ends, and listens there again, on any address', async (t) => {
  const [port = 0] = await freePorts(1)
  for (const host of ['127.0.0.1', '127.0.0.1', '0.0.0.0']) {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    t.equal((server.address() as { port: number }).port, port)
    await new Promise((resolve) => server.close(resolve))
  }
})
