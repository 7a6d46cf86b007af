import t from 'tap'
import { readFileSync } from 'node:fs'
import { limits } from '../../../src/base/limits.ts'
import { connectionsMaxOf } from '../../../src/edge/public-port.ts'

t.test('connections leave files to others, and each worker has its share', async (t) => {
  const text = readFileSync('/proc/self/limits', 'utf8')
  const filesMax = Number(/^Max open files +(\d+)/m.exec(text)![1])
  t.ok(connectionsMaxOf(1) <= filesMax - limits.filesKeptFree)
  t.ok(4 * connectionsMaxOf(4) <= filesMax - limits.filesKeptFree)
  t.equal(connectionsMaxOf(1_000_000_000), 1)
})
