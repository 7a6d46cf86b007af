import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { Acks, type Owed } from '../../../src/session/acks.ts'
import { errors } from '../../../src/wire/errors.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'

const committed = (serial: string) => ({ kind: 'committed' as const, serials: [serial] })
const refused = { kind: 'refused' as const, error: errors.rateLimited().info }

/** The msgSerials that answers cover, in the order in which a client reads them. */
function covered(answers: Iterable<ProtocolMessage>): string[] {
  return [...answers].flatMap(({ action, msgSerial, count }) =>
    Array.from({ length: count! }, (_, at) => `${action}:${msgSerial! + at}`))
}

t.test('[B7] an outcome that comes early waits for those before it', async (t) => {
  const acks = new Acks()
  const owed = [0, 1, 2].map((serial) => acks.owe(serial, 0))
  owed[2]!.outcome = committed('c')
  t.same([...acks.answers()], [])
  owed[0]!.outcome = committed('a')
  t.same(covered(acks.answers()), ['1:0'])
  owed[1]!.outcome = refused
  t.same(covered(acks.answers()), ['2:1', '1:2'])
  t.equal(acks.length, 0)
})

t.test('a run of successes is one ACK with a result for each', async (t) => {
  const acks = new Acks()
  for (let serial = 5; serial < 9; serial++) acks.owe(serial, 0).outcome = committed(`s${serial}`)
  const [ack, ...more] = [...acks.answers()]
  t.same(more, [])
  t.match(ack, { action: 1, msgSerial: 5, count: 4 })
  t.same(ack!.res!.map(({ serials }) => serials[0]), ['s5', 's6', 's7', 's8'])
})

t.test('[rule 18] whatever the order of outcomes: every msgSerial once, contiguous', async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(`acks/${seed}`)
    const acks = new Acks()
    const open: Owed[] = []
    const seen: string[] = []
    const wanted: string[] = []
    for (let serial = 0; serial < 40; serial++) {
      open.push(acks.owe(serial, 0))
      while (open.length > 0 && random.unit() < 0.5) {
        const [owed] = open.splice(random.below(open.length), 1)
        owed!.outcome = owed!.msgSerial % 3 === 0 ? refused : committed('x')
      }
      seen.push(...covered(acks.answers()))
      wanted.push(`${serial % 3 === 0 ? 2 : 1}:${serial}`)
    }
    for (const owed of open) owed.outcome = owed.msgSerial % 3 === 0 ? refused : committed('x')
    seen.push(...covered(acks.answers()))
    t.same(seen, wanted, `seed ${seed}`)
  }
})
