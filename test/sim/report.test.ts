import t from 'tap'
import { idleReport } from './report.ts'

t.test('what an idle region says does not grow with it', async (t) => {
  const reports = [10, 30, 100].map(idleReport)
  const [small, , big] = reports as [typeof reports[0], typeof reports[0], typeof reports[0]]
  for (const { nodeCount, messagesPerNodeAndSecond, kinds, deathMs } of reports) {
    t.ok(messagesPerNodeAndSecond <= 12.5, `${messagesPerNodeAndSecond} at ${nodeCount} nodes`)
    t.same(Object.keys(kinds).sort(), ['beat', 'beatAck'], 'links are silent, nobody gossips')
    t.ok(deathMs >= 0 && deathMs < 5_000, `a death is agreed on in ${deathMs} ms`)
  }
  const growth = big.bytesPerMessage / small.bytesPerMessage
  t.ok(growth < 1.1, `a message is ${small.bytesPerMessage} bytes, then ${big.bytesPerMessage}`)
  const perNode = (big.viewBytes - small.viewBytes) / (big.nodeCount - small.nodeCount)
  t.ok(perNode < 150, `a node adds ${perNode} bytes to the view`)
  t.ok(big.deathMessagesPerNode < 40, `${big.deathMessagesPerNode} messages per node`)
})
