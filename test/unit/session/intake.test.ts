import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Intake } from '../../../src/session/intake.ts'

/** How many of `asked` messages, one by one, are let in now. */
function taken(intake: Intake, nowMs: number, asked: number): number {
  intake.onFrame(nowMs)
  let count = 0
  for (let no = 0; no < asked; no++) if (intake.takeMessages(1)) count++
  return count
}

t.test('so many messages a second, and none saved up', async (t) => {
  const intake = new Intake(50, 1_000)
  t.equal(taken(intake, 1_000, 100), 50)
  t.equal(taken(intake, 1_999, 100), 0)
  t.equal(taken(intake, 2_000, 100), 50)
  t.equal(taken(intake, 60_000, 100), 50)
})

t.test('a publish of many is let in whole, and paid for by the seconds after it', async (t) => {
  const intake = new Intake(50, 0)
  intake.onFrame(0)
  t.ok(intake.takeMessages(120))
  t.notOk(intake.takeMessages(1))
  t.equal(taken(intake, 1_000, 100), 0, '70 are left to be paid')
  t.equal(taken(intake, 2_000, 100), 30)
  let count = 0
  for (let nowMs = 10_000; nowMs < 20_000; nowMs += 10) {
    intake.onFrame(nowMs)
    if (intake.takeMessages(120)) count += 120
  }
  t.ok(count <= 10 * 50 + 120, `${count} in ten seconds`)
})

t.test('attaches have a bound of their own', async (t) => {
  const intake = new Intake(1, 0)
  let count = 0
  for (let no = 0; no < 2 * limits.attachesPerSecondMax; no++) if (intake.takeAttach()) count++
  t.equal(count, limits.attachesPerSecondMax)
  intake.onFrame(1_000)
  t.ok(intake.takeAttach())
})

t.test('who goes on and on with too much is asked to go; who pauses is not', async (t) => {
  const patient = new Intake(10, 0)
  for (let second = 0; second < 10 * limits.excessSecondsMax; second++) {
    t.equal(patient.onFrame(second * 1_000), undefined)
    if (second % limits.excessSecondsMax !== 0) taken(patient, second * 1_000, 20)
  }
  const greedy = new Intake(10, 0)
  let second = 0
  for (; second < 100 && greedy.onFrame(second * 1_000) === undefined; second++) {
    taken(greedy, second * 1_000, 20)
  }
  t.equal(second, limits.excessSecondsMax)
  t.equal(greedy.onFrame(second * 1_000)?.code, 42921)
})

t.test('a flood of frames, whatever they say, is ended at once', async (t) => {
  const intake = new Intake(10, 0)
  for (let no = 0; no < limits.framesPerSecondMax; no++) {
    if (intake.onFrame(10) !== undefined) t.fail(`the ${no}th`)
  }
  t.equal(intake.onFrame(10)?.code, 42924)
})
