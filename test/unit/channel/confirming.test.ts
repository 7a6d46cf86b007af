import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Confirming } from '../../../src/channel/confirming.ts'
import type { LogWriter } from '../../../src/log/writer.ts'
import type { Join } from '../../../src/peer/message.ts'
import type { Ask, Question } from '../../../src/peer/question-message.ts'

const place = { incarnation: 'n', worker: 0 }

function join(channel: string, joinNo = 1): Join {
  return {
    kind: 'join', channel, joinNo, clientId: 'k', viewVersion: 1, from: undefined,
    wantsDeliveries: true
  }
}

t.test('[11, 25] at the bound nothing more is kept, but what comes again is', async (t) => {
  const confirming = new Confirming(() => undefined)
  for (let no = 0; no < limits.confirmingMax + 5; no++) {
    confirming.holdUntilClaimed(place, join(`c${no}`))
  }
  t.equal(confirming.size, limits.confirmingMax)
  confirming.holdUntilClaimed(place, join('c0', 2))
  t.equal(confirming.size, limits.confirmingMax)
  const kept = confirming.takeAll()
  t.match(kept[0], { message: { channel: 'c0', joinNo: 2 } })
  t.equal(confirming.size, 0)
})

t.test('[11, 25] who asks for an attachment is told where there is no room', async (t) => {
  const dropped: number[] = []
  const confirming = new Confirming((_, { requestNo }) => void dropped.push(requestNo))
  for (let no = 0; no < limits.confirmingMax; no++) {
    confirming.holdUntilClaimed(place, join(`c${no}`))
  }
  const backfill = {
    kind: 'backfill', channel: 'a', clientId: 'k', requestNo: 5, epoch: 1, from: undefined
  } as const
  confirming.holdUntilClaimed(place, backfill)
  confirming.holdUntilClaimed(place, join('b'))
  t.same(dropped, [5], 'a Join comes again of itself')
})

t.test('[11] nobody waits who has parted, or is gone', async (t) => {
  const confirming = new Confirming(() => undefined)
  for (const channel of ['a', 'b', 'c']) confirming.holdUntilClaimed(place, join(channel))
  confirming.holdUntilClaimed(place, { kind: 'part', channel: 'b', clientId: 'k' })
  t.equal(confirming.size, 2)
  confirming.forget(({ incarnation }) => incarnation === 'n')
  t.equal(confirming.size, 0)
})

t.test('[11, 13] no Join waits whose link was reset: who lives Joins again', async (t) => {
  const confirming = new Confirming(() => undefined)
  const other = { incarnation: 'n', worker: 1 }
  for (const from of [place, other]) confirming.holdUntilClaimed(from, join('a'))
  const backfill = {
    kind: 'backfill', channel: 'a', clientId: 'k', requestNo: 1, epoch: 1, from: undefined
  } as const
  confirming.holdUntilClaimed(place, backfill)
  confirming.forgetJoins(place)
  t.match(confirming.takeAll(), [{ from: other }, { from: place, message: backfill }])
})

t.test('[11] who must know for certain waits for an append that began after he asked', (t) => {
  const nowMs = 50
  const writer = { confirmedAtMs: nowMs, confirmedCounter: 4, nextCounter: 6 }
  const mustWait = (question: Question): Confirming | undefined => {
    const confirming = new Confirming(() => undefined)
    const ask: Ask = { kind: 'ask', channel: 'c', askNo: 1, question }
    return confirming.mustWait(place, ask, writer as LogWriter, nowMs) ? confirming : undefined
  }
  const present = (isExact: boolean): Question => ({
    kind: 'presence', clientId: undefined, connectionId: undefined, after: undefined,
    countMax: 10, isExact
  })
  t.equal(mustWait(present(false)), undefined, 'a recent append is enough for others')
  const waiting = mustWait(present(true))!
  const readyAfter = (confirmedCounter: number): number =>
    waiting.takeReady({ ...writer, confirmedCounter } as LogWriter, nowMs).length
  t.same([5, 6].map(readyAfter), [0, 1], 'what was on its way by then does not count')
  t.end()
})
