import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Unanswered } from '../../../src/channel/unanswered.ts'
import { CHANNEL, ClientBench, ofKind, op } from './parts.ts'

function submit(submitId: number, bytes = 1, answeredThrough = 0) {
  const payload = new Uint8Array(bytes)
  return {
    kind: 'submit' as const, channel: CHANNEL, submitId, answeredThrough,
    op: op(`a:${submitId}`, { payload })
  }
}

/** Numbers and ids of what is to be sent now. */
function unsent(ops: Unanswered): string[] {
  return [...ops.takeUnsent()].map((each) => `${each.opNo} ${each.op.id}`)
}

t.test('[16, B1] numbered from 1 in order of submission, each sent once', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(7, 1)
  for (const id of [1, 2]) ops.add(0, submit(id))
  t.same(unsent(ops), ['1 a:1', '2 a:2'])
  t.same(unsent(ops), [])
  ops.add(0, submit(3))
  t.same(unsent(ops), ['3 a:3'])
})

t.test('[16, B1] the same epoch again: all unanswered again, under their numbers', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(7, 1)
  for (const id of [1, 2, 3]) ops.add(0, submit(id))
  unsent(ops)
  t.match(ops.answer(7, 2), { submitId: 2 })
  ops.add(0, submit(4))
  ops.startEpoch(7, 1)
  t.same(unsent(ops), ['1 a:1', '3 a:3', '4 a:4'])
})

t.test('[16] a new epoch: what is unanswered is numbered from 1, in the old order', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(7, 1)
  for (const id of [1, 2, 3, 4]) ops.add(0, submit(id))
  unsent(ops)
  ops.answer(7, 3)
  ops.answer(7, 1)
  ops.startEpoch(8, 1)
  t.same(unsent(ops), ['1 a:2', '2 a:4'])
  t.equal(ops.answer(7, 1), undefined, 'a late answer of the old epoch is of another op')
  t.match(ops.answer(8, 1), { submitId: 2 })
})

t.test('[11, 16] some master may have what was sent, until it is answered', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(7, 1)
  ops.add(0, submit(1))
  t.notOk(ops.hasSent)
  unsent(ops)
  ops.add(0, submit(2))
  t.ok(ops.hasSent)
  ops.startEpoch(8, 1)
  t.ok(ops.hasSent, 'whoever is master')
  unsent(ops)
  for (const opNo of [1, 2]) ops.answer(8, opNo)
  t.notOk(ops.hasSent)
})

t.test('[16, 18] a mastership that knows us otherwise: numbered on from its count', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(7, 1)
  for (const id of [1, 2, 3]) ops.add(0, submit(id))
  unsent(ops)
  ops.answer(7, 1)
  ops.startEpoch(7, 1)
  t.same(unsent(ops), ['1 a:2', '2 a:3'], 'it has forgotten us meanwhile')
  t.equal(ops.answer(7, 3), undefined)
  ops.startEpoch(8, 5)
  t.same(unsent(ops), ['5 a:2', '6 a:3'], 'it still knows what we said before')
  t.match(ops.answer(8, 6), { submitId: 3 })
})

t.test('an answer counts once, in any order, and for ops that were sent only', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(1, 1)
  for (const id of [1, 2, 3]) ops.add(5, submit(id))
  t.equal(ops.answer(1, 1), undefined, 'not sent yet')
  unsent(ops)
  t.match(ops.answer(1, 3), { worker: 5, submitId: 3 })
  t.equal(ops.answer(1, 3), undefined, 'a repeat')
  t.equal(ops.answer(1, 9), undefined)
  t.equal(ops.size, 2)
})

t.test('answeredThrough is below the oldest unanswered, and never jumps over it', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(1, 1)
  const through = (submitId: number): number => {
    ops.add(0, submit(submitId))
    return [...ops.takeUnsent()].at(-1)!.answeredThrough
  }
  t.same([through(1), through(2), through(3)], [0, 0, 0])
  ops.answer(1, 2)
  ops.answer(1, 3)
  t.equal(through(4), 0, '1 is unanswered')
  ops.answer(1, 1)
  t.equal(through(5), 3)
  ops.answer(1, 4)
  ops.answer(1, 5)
  t.equal(through(6), 5)
})

t.test('[25] refused at the bound of bytes; answered bytes make room', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(1, 1)
  const quarter = limits.unansweredPerClientBytesMax / 4
  for (const id of [1, 2, 3, 4]) t.equal(ops.add(0, submit(id, quarter)), undefined)
  unsent(ops)
  t.match(ops.add(0, submit(5)), { code: 42911 })
  t.equal(ops.size, 4, 'what is refused is not kept')
  t.same(unsent(ops), [])
  ops.answer(1, 2)
  t.equal(ops.add(0, submit(6, quarter)), undefined)
  t.match(ops.add(0, submit(7)), { code: 42911 })
})

t.test('[18] what is submitted again while under way is one op, at the bound too', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(1, 1)
  t.equal(ops.add(0, submit(1, limits.unansweredPerClientBytesMax)), undefined)
  t.equal(ops.add(0, submit(1, limits.unansweredPerClientBytesMax)), undefined)
  t.same(unsent(ops), ['1 a:1'])
  t.match(ops.add(1, submit(1)), { code: 42911 }, 'that of another worker is another one')
  t.match(ops.answer(1, 1), { worker: 0, submitId: 1 })
  t.equal(ops.add(0, submit(1)), undefined)
  t.same(unsent(ops), ['2 a:1'])
})

t.test('[18] what was refused is refused again, until its group has heard of it', async (t) => {
  const ops = new Unanswered()
  const refusal = { code: 50005, statusCode: 503, message: 'full' }
  ops.startEpoch(1, 1)
  for (const id of [1, 2, 3]) ops.add(0, submit(id))
  unsent(ops)
  ops.answer(1, 1)
  ops.answer(1, 2, refusal)
  t.equal(ops.add(0, submit(2)), refusal)
  t.same(unsent(ops), [])
  t.equal(ops.add(1, submit(2)), undefined, 'that of another worker is another one')
  t.equal(ops.add(0, submit(4, 1, 1)), undefined)
  t.equal(ops.add(0, submit(2, 1, 1)), refusal)
  t.equal(ops.add(0, submit(5, 1, 2)), undefined)
  t.equal(ops.add(0, submit(2, 1, 2)), undefined, 'nothing is remembered for ever')
})

t.test('[11] ops of a worker that is gone go on, and nobody is told', async (t) => {
  const ops = new Unanswered()
  ops.startEpoch(1, 1)
  ops.add(1, submit(1))
  ops.add(2, submit(2))
  ops.forgetWorker(1)
  ops.add(1, submit(3))
  t.same(unsent(ops), ['1 a:1', '2 a:2', '3 a:3'])
  t.match(ops.answer(1, 1), { worker: undefined })
  t.match(ops.answer(1, 2), { worker: 2 })
  t.match(ops.answer(1, 3), { worker: 1, submitId: 3 })
  t.equal(ops.size, 0)
})

t.test('[16, B1] whatever masters do: per epoch no number is skipped or given twice', async (t) => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(`unanswered/${seed}`)
    const bench = new ClientBench(`unanswered/${seed}`)
    let epoch = 1
    const known = new Map<string, string>()
    const open = new Map<string, number>()
    let nextNo = 1
    bench.submit(op('a:0'))
    open.set('a:0', 1)
    bench.join({ epoch })
    for (let step = 0; step < 60; step++) {
      for (const publish of ofKind(bench.said(), 'publish')) {
        const key = `${publish.epoch}/${publish.opNo}`
        const former = known.get(key)
        if (former === undefined) {
          if (publish.opNo !== nextNo++) t.fail(`seed ${seed}: ${key} is out of turn`)
        } else if (former !== publish.op.id) t.fail(`seed ${seed}: ${key} is two ops`)
        known.set(key, publish.op.id)
        if (random.unit() < 0.4) {
          bench.result(publish)
          open.delete(publish.op.id)
        }
      }
      const draw = random.unit()
      if (draw < 0.7) {
        open.set(`a:${step + 1}`, bench.submit(op(`a:${step + 1}`)))
      } else {
        bench.client.onMasterUncertain()
        if (draw < 0.85) {
          epoch++
          nextNo = 1
        }
        bench.join({ epoch, nextOpNo: nextNo })
      }
    }
    bench.said()
    bench.client.onMasterUncertain()
    bench.join({ epoch: epoch + 1 })
    const rest = ofKind(bench.said(), 'publish')
    t.same(rest.map((each) => each.op.id), [...open.keys()], `seed ${seed}: in order`)
    t.same(rest.map((each) => each.opNo), rest.map((_, at) => at + 1))
  }
})

t.test('[18] what was submitted before is not refused for the bound', async (t) => {
  const ops = new Unanswered()
  const max = limits.unansweredPerClientMax
  for (let id = 1; id <= max; id++) ops.add(0, submit(id))
  t.match(ops.add(0, submit(max + 1)), { code: 42911 })
  t.equal(ops.add(1, { ...submit(1), isAgain: true }), undefined)
  t.equal(ops.size, max + 1)
  const refused = { ...submit(max + 1), isAgain: true } as const
  t.match(ops.add(0, refused), { code: 42911 }, 'what was refused stays so')
})
