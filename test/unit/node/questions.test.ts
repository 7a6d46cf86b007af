import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Questions } from '../../../src/node/questions.ts'
import type { Place } from '../../../src/peer/place.ts'
import type { QuestionMessage } from '../../../src/peer/question-message.ts'

const place = (incarnation: string): Place => ({ incarnation, worker: 0 })
const occupancy = {
  connections: 0, publishers: 0, subscribers: 0, presenceConnections: 0, presenceMembers: 0,
  presenceSubscribers: 0, objectPublishers: 0, objectSubscribers: 0
}

class Bench {
  readonly deadlines = new Deadlines()
  readonly sent: { to: string; message: QuestionMessage }[] = []
  readonly answers: unknown[] = []
  readonly asker = { isOver: false }
  master: Place | undefined = place('a')
  goneOne: string | undefined
  readonly abroad = new Map<string, Place | undefined>()
  nowMs = 0
  readonly questions: Questions

  constructor(generation = 0) {
    this.questions = new Questions({
      generation,
      deadlines: this.deadlines,
      random: new Random('questions'),
      nowMs: () => this.nowMs,
      region: 'here',
      masterPlace: (_, region) => region === undefined ? this.master : this.abroad.get(region),
      regions: () => [...this.abroad.keys()],
      absent: () => [],
      places: () => [],
      isListed: ({ incarnation }) => incarnation !== this.goneOne,
      send: ({ incarnation }, message) => void this.sent.push({ to: incarnation, message })
    })
  }

  ask(): void {
    this.questions.ask(this.asker, 'app/c', { kind: 'status' },
      ({ occupancy }) => void this.answers.push(occupancy))
  }

  answer(askNo = 1): void {
    this.questions.onAnswer({
      kind: 'answered', channel: 'app/c', askNo, answer: { kind: 'status', occupancy }
    })
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }

  /** To whom what was sent since the last call. */
  said(): string[] {
    return this.sent.splice(0).map(({ to }) => to)
  }
}

t.test('a question is asked until it is answered, once', async (t) => {
  const bench = new Bench()
  bench.ask()
  t.same(bench.said(), ['a'])
  bench.pass(2 * limits.askRetryMs)
  t.same(bench.said(), ['a'])
  bench.answer()
  bench.answer()
  t.same(bench.answers, [occupancy])
  bench.pass(60_000)
  t.same(bench.said(), [])
  t.equal(bench.deadlines.size, 0)
  t.equal(bench.questions.count, 0)
})

t.test('another master is asked at once, the same one is not', async (t) => {
  const bench = new Bench()
  bench.ask()
  bench.said()
  bench.questions.onView()
  t.same(bench.said(), [])
  bench.master = place('b')
  bench.questions.onView()
  t.same(bench.said(), ['b'])
  bench.questions.onLinkReset(place('a'))
  t.same(bench.said(), [])
  bench.questions.onLinkReset(place('b'))
  t.same(bench.said(), ['b'])
})

t.test('while there is no master it waits for one', async (t) => {
  const bench = new Bench()
  bench.master = undefined
  bench.ask()
  t.same(bench.said(), [])
  bench.master = place('a')
  bench.questions.onView()
  t.same(bench.said(), ['a'])
})

t.test('whom nobody waits for is asked no more', async (t) => {
  const bench = new Bench()
  bench.ask()
  bench.asker.isOver = true
  bench.pass(2 * limits.askRetryMs)
  t.same(bench.said(), ['a'], 'the first time alone')
  t.equal(bench.questions.count, 0)
  bench.ask()
  bench.answer(2)
  t.same(bench.answers, [])
})

t.test('who asks one worker is told when that leaves', async (t) => {
  const bench = new Bench()
  const names: unknown[] = []
  const enumerate = (of: string): void => {
    const question = { prefix: 'app/', after: '', countMax: 5 }
    bench.questions.enumerate(bench.asker, place(of), question, (answer) =>
      void names.push(answer?.channels))
  }
  enumerate('a')
  enumerate('b')
  t.same(bench.said(), ['a', 'b'])
  bench.goneOne = 'a'
  bench.questions.onView()
  t.same(names, [undefined])
  t.same(bench.said(), [], 'the other one has heard the question')
  bench.questions.onAnswer({ kind: 'enumerated', askNo: 2, channels: ['app/c'], isWhole: true })
  enumerate('a')
  t.same(names, [undefined, ['app/c'], undefined], 'who has left before is not asked')
  t.same(bench.said(), [])
  t.equal(bench.deadlines.size, 0)
})

t.test('[11] an answer to a worker that has died is none to its heir', async (t) => {
  const [former, heir] = [new Bench(1), new Bench(2)]
  for (const bench of [former, heir]) bench.ask()
  const [asked] = former.sent
  const { askNo } = asked!.message as { askNo: number }
  heir.answer(askNo)
  t.same(heir.answers, [])
  former.answer(askNo)
  t.equal(former.answers.length, 1)
})

const STATUS = { kind: 'status' as const }

t.test('other regions are asked at once, and left out after a second', async (t) => {
  const bench = new Bench()
  for (const name of ['eu', 'us', 'ap']) bench.abroad.set(name, place(name))
  bench.abroad.set('none', undefined)
  const told: string[][] = []
  const asked = new Map(['eu', 'us', 'ap', 'none', 'unknown'].map((name) => [name, STATUS]))
  bench.questions.askAbroad(bench.asker, 'app/c', asked, (answers) =>
    void told.push([...answers.keys()]))
  t.same(bench.said(), ['eu', 'us', 'ap'])
  bench.answer(2)
  bench.answer(1)
  bench.pass(limits.askRetryMs * 1.5)
  t.same(bench.said(), ['ap'], 'whose word may be lost is asked again')
  bench.abroad.set('none', place('late'))
  bench.questions.onView()
  t.same(bench.said(), ['late'])
  t.same(told, [], 'who is asked is waited for')
  bench.pass(limits.regionAnswerMs)
  t.same(told, [['us', 'eu']])
  bench.answer(3)
  t.same([told.length, bench.deadlines.size, bench.questions.count], [1, 0, 0])
})

t.test('a worker of another region is waited for no longer than a master', async (t) => {
  const bench = new Bench()
  bench.abroad.set('eu', undefined)
  const told: unknown[] = []
  const question = { prefix: 'app/', after: '', countMax: 1 }
  const ask = (): void => bench.questions.enumerate(bench.asker, place('far'), question,
    (answer) => void told.push(answer?.channels), 'eu')
  ask()
  t.same(bench.said(), ['far'])
  bench.questions.onAnswer({ kind: 'enumerated', askNo: 1, channels: ['app/a'], isWhole: true })
  ask()
  bench.pass(limits.regionAnswerMs)
  t.same(told, [['app/a'], undefined])
  ask()
  bench.goneOne = 'far'
  bench.questions.onView()
  ask()
  bench.goneOne = undefined
  ask()
  bench.abroad.clear()
  bench.questions.onView()
  t.same(told, [['app/a'], undefined, undefined, undefined, undefined], 'nor once it is gone')
  t.same([bench.deadlines.size, bench.questions.count], [0, 0])
})

t.test('a region that leaves the world is not waited for, nor is anybody for a caller who left',
  async (t) => {
    const bench = new Bench()
    bench.abroad.set('eu', place('eu'))
    const told: number[] = []
    const ask = (): void => {
      bench.questions.askAbroad(bench.asker, 'app/c', new Map([['eu', STATUS]]), (answers) =>
        void told.push(answers.size))
    }
    ask()
    bench.abroad.clear()
    bench.questions.onView()
    t.same(told, [0])
    bench.questions.askAbroad(bench.asker, 'app/c', new Map(), () => void told.push(7))
    t.same(told, [0, 7], 'nobody is asked')
    bench.abroad.set('eu', place('eu'))
    ask()
    bench.asker.isOver = true
    bench.pass(limits.regionAnswerMs)
    t.same([told, bench.deadlines.size, bench.questions.count], [[0, 7], 0, 0])
  })
