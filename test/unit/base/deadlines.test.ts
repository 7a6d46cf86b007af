import t from 'tap'
import { type Deadline, Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'

/** A sorted list that does the same, slowly. */
class SlowDeadlines {
  #waits: { atMs: number; order: number; no: number }[] = []
  #order = 0

  at(atMs: number, no: number): void {
    this.#waits.push({ atMs, order: this.#order++, no })
    this.#waits.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
  }

  cancel(no: number): void {
    this.#waits = this.#waits.filter((wait) => wait.no !== no)
  }

  due(nowMs: number): number[] {
    const due = this.#waits.filter(({ atMs }) => atMs <= nowMs)
    this.#waits = this.#waits.filter(({ atMs }) => atMs > nowMs)
    return due.map(({ no }) => no)
  }

  get nextMs(): number {
    return this.#waits[0]?.atMs ?? Infinity
  }

  get size(): number {
    return this.#waits.length
  }
}

t.test('any sequence of waits, cancels and time does what a sorted list does', async (t) => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(`deadlines/${seed}`)
    const deadlines = new Deadlines()
    const slow = new SlowDeadlines()
    const handles: Deadline[] = []
    const ran: number[] = []
    let nowMs = 0
    for (let step = 0; step < 600; step++) {
      const what = random.unit()
      if (what < 0.5) {
        const no = handles.length
        const atMs = nowMs - 5 + random.below(100)
        handles.push(deadlines.at(atMs, () => ran.push(no)))
        slow.at(atMs, no)
      } else if (what < 0.9) {
        // Those that ran or were cancelled before are among them.
        const no = random.below(handles.length + 1)
        deadlines.cancel(handles[no])
        slow.cancel(no)
      } else {
        nowMs += random.below(60)
        deadlines.fire(nowMs)
        const due = slow.due(nowMs)
        if (ran.splice(0).join() !== due.join()) t.fail(`seed ${seed}, step ${step}`)
      }
      if (deadlines.size !== slow.size) t.fail(`seed ${seed}, step ${step}: size`)
      if (deadlines.nextMs() !== slow.nextMs) t.fail(`seed ${seed}, step ${step}: next`)
    }
  }
})

t.test('what is registered while firing waits for the next firing, though it is due', async (t) => {
  const deadlines = new Deadlines()
  const ran: string[] = []
  deadlines.at(10, () => {
    ran.push('first')
    deadlines.at(0, () => ran.push('born'))
  })
  deadlines.at(10, () => ran.push('second'))
  deadlines.fire(10)
  t.same(ran, ['first', 'second'], 'no loop without end, and nobody is skipped')
  t.equal(deadlines.nextMs(), 0)
  deadlines.fire(10)
  t.same(ran, ['first', 'second', 'born'])
  t.equal(deadlines.size, 0)
})

t.test('a deadline that another one cancels in the same firing does not run', async (t) => {
  const deadlines = new Deadlines()
  const ran: string[] = []
  let victim: Deadline | undefined
  deadlines.at(5, () => {
    ran.push('canceller')
    deadlines.cancel(victim)
  })
  victim = deadlines.at(5, () => ran.push('victim'))
  deadlines.fire(5)
  t.same(ran, ['canceller'])
  t.equal(deadlines.size, 0)
  t.equal(deadlines.nextMs(), Infinity)
})

t.test('a cancel twice, or after the run, counts once', async (t) => {
  const deadlines = new Deadlines()
  const cancelled = deadlines.at(1, () => t.fail('cancelled'))
  const done = deadlines.at(2, () => {})
  deadlines.at(3, () => {})
  deadlines.cancel(cancelled)
  deadlines.cancel(cancelled)
  deadlines.fire(2)
  deadlines.cancel(done)
  deadlines.cancel(undefined)
  t.equal(deadlines.size, 1)
})

t.test('many cancelled waits do not stay, and do not disturb those that live', async (t) => {
  const deadlines = new Deadlines()
  const ran: number[] = []
  const handles = Array.from({ length: 2_000 }, (_, no) =>
    deadlines.at(no % 97, () => ran.push(no)))
  for (const [no, handle] of handles.entries()) if (no % 10 !== 0) deadlines.cancel(handle)
  t.equal(deadlines.size, 200)
  deadlines.fire(97)
  t.equal(ran.length, 200)
  const inOrder = ran.toSorted((a, b) => a % 97 - b % 97 || a - b)
  t.same(ran, inOrder, 'by time, ties by registration')
})
