import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { EmbeddedLog, PortLog } from '../../../src/store/embedded.ts'
import { bytesOf, freshPartitions, logContract, stored, wordsIn } from './log-contract.ts'

const MEGABYTE = 1024 * 1024

t.test('the embedded log, as the main thread sees it', async (t) => {
  const log = new EmbeddedLog(64 * MEGABYTE)
  await logContract(t, { fresh: freshPartitions(), open: async () => log })
})

t.test('the embedded log, as workers see it', async (t) => {
  const log = new EmbeddedLog(64 * MEGABYTE)
  const open = async (): Promise<PortLog> => {
    const { port1, port2 } = new MessageChannel()
    log.serve(port1)
    t.teardown(() => port2.close())
    return new PortLog(port2)
  }
  await logContract(t, { fresh: freshPartitions(), open })
})

t.test('[6] a full log refuses, forgets nothing, and has room again after a trim', async (t) => {
  const log = new EmbeddedLog(100_000)
  const words = 'x'.repeat(10_000)
  let lastSeq = 0
  let count = 0
  for (;; count++) {
    const outcome = await log.append(count % 2, lastSeq, bytesOf(`${count} ${words}`))
    if (outcome.kind !== 'appended') {
      t.match(outcome, { kind: 'refused', reason: /100000 bytes/ })
      break
    }
    if (count % 2 === 1) lastSeq = outcome.seq
  }
  t.equal(count, 9)
  t.match(await log.append(0, 99, bytesOf('not the last')), { kind: 'conflict' })
  const found = [...await wordsIn(log, 0), ...await wordsIn(log, 1)]
  t.same(found.map((each) => parseInt(each, 10)).sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  await log.trim(0, 4)
  await stored(log, 0, 5, words)
  await stored(log, 0, 6, words)
})

t.test('a part of a larger buffer is stored as just that part', async (t) => {
  const log = new EmbeddedLog(MEGABYTE)
  const { port1, port2 } = new MessageChannel()
  log.serve(port1)
  t.teardown(() => port2.close())
  const whole = bytesOf('before|record|after')
  await new PortLog(port2).append(0, 0, whole.subarray(7, 13))
  t.same(await wordsIn(log, 0), ['record'])
  const page = await log.read(0, 1)
  t.equal(page.kind === 'page' && page.records[0]!.bytes.buffer.byteLength, 6)
})
