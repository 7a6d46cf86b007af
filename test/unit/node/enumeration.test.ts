import t from 'tap'
import { UsedChannels } from '../../../src/channel/used-channels.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Enumeration, type NamesPage } from '../../../src/node/enumeration.ts'
import { Questions } from '../../../src/node/questions.ts'
import { WorldAsking } from '../../../src/node/world-asking.ts'
import type { Place } from '../../../src/peer/place.ts'

const ASKER = { isOver: false }

/** What a page says where the workers have these channels in use; how often each was asked. */
function pageOf(
  workers: readonly (readonly string[])[],
  request: { prefix?: string; after?: string; limit: number }
): { page: NamesPage; askedCount: number } {
  let askedCount = 0
  const pages: NamesPage[] = []
  const questions = new Questions({
    generation: 0,
    deadlines: new Deadlines(),
    random: new Random('enumeration'),
    nowMs: () => 0,
    masterPlace: () => undefined, region: 'here', regions: () => [], absent: () => [],
    places: () => workers.map((_, worker) => ({ incarnation: 'a', worker })),
    isListed: () => true,
    send: ({ worker }, message) => {
      if (message.kind !== 'enumerate') return
      askedCount++
      const used = new UsedChannels(message)
      for (const channel of workers[worker]!) used.add(channel)
      questions.onAnswer(used.answer())
    }
  })
  new Enumeration({ appId: 'app', prefix: '', after: '', ...request }, questions,
    new WorldAsking(questions, ASKER), ASKER, (page) => void pages.push(page)).begin()
  t.equal(pages.length, 1)
  return { page: pages[0]!, askedCount }
}

const many = (mark: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `app/${String(at).padStart(4, '0')}${mark}`)

t.test('names of all workers in order, without metachannels and other apps', async (t) => {
  const workers = [['app/b', 'app/[meta]b', 'other/x'], ['app/a', 'app/b', 'app/c']]
  t.match(pageOf(workers, { limit: 10 }).page, { names: ['a', 'b', 'c'], next: undefined })
  t.match(pageOf(workers, { limit: 2 }).page, { names: ['a', 'b'], next: 'b' })
  t.match(pageOf(workers, { limit: 2, after: 'b' }).page, { names: ['c'], next: undefined })
  t.match(pageOf(workers, { limit: 2, prefix: 'b' }).page, { names: ['b'], next: undefined })
  t.match(pageOf([], { limit: 2 }).page, { names: [], next: undefined })
})

t.test('where workers have more than they tell at a time nothing is missed', async (t) => {
  const workers = [many('a', 600), many('b', 30), many('c', 300)]
  const all = workers.flat().map((each) => each.slice(4)).sort()
  const { page, askedCount } = pageOf(workers, { limit: 1_000 })
  t.match(page, { names: all, next: undefined })
  t.ok(askedCount > workers.length)
  const walked: string[] = []
  for (let after: string | undefined = ''; after !== undefined;) {
    const { page: { names, next } } = pageOf(workers, { after, limit: 77 })
    walked.push(...names)
    after = next
  }
  t.same(walked, all)
})

t.test('a page behind a lot of metachannels', async (t) => {
  const meta = Array.from({ length: limits.enumeratedMax + 5 }, (_, at) => `app/[meta]${at}`)
  t.match(pageOf([[...meta, 'app/x']], { limit: 5 }).page, { names: ['x'], next: undefined })
})

t.test('a channel that several workers know is told once', async (t) => {
  const workers = [['app/a', 'app/b'], ['app/b', 'app/a'], ['app/b', 'app/b']]
  t.match(pageOf(workers, { limit: 10 }).page, { names: ['a', 'b'], next: undefined })
  t.match(pageOf(workers, { limit: 1 }).page, { names: ['a'], next: 'a' })
})

/** Workers that come and go while they are asked; undefined: one that says nothing. */
function living(channels: Map<string, string[] | undefined>) {
  const pages: NamesPage[] = []
  const asked: string[] = []
  const questions: Questions = new Questions({
    generation: 0,
    deadlines: new Deadlines(),
    random: new Random('leaving'),
    nowMs: () => 0,
    masterPlace: () => undefined, region: 'here', regions: () => [], absent: () => [],
    places: () => [...channels.keys()].map((incarnation) => ({ incarnation, worker: 0 })),
    isListed: ({ incarnation }) => channels.has(incarnation),
    send: ({ incarnation }, message) => {
      if (message.kind !== 'enumerate') return
      asked.push(incarnation)
      const used = new UsedChannels(message)
      const known = channels.get(incarnation)
      if (known === undefined) return
      for (const channel of known) used.add(channel)
      questions.onAnswer(used.answer())
    }
  })
  new Enumeration({ appId: 'app', prefix: '', after: '', limit: 5 }, questions,
    new WorldAsking(questions, ASKER), ASKER, (page) => void pages.push(page)).begin()
  return { pages, asked, questions }
}

t.test('when a worker leaves those that are left are asked once more', async (t) => {
  const channels = new Map<string, string[] | undefined>([
    ['a', ['app/a']], ['b', undefined], ['c', ['app/c']]
  ])
  const { pages, asked, questions } = living(channels)
  t.same(pages, [])
  // What it had lives on where it was asked already.
  channels.delete('b')
  channels.set('a', ['app/a', 'app/b'])
  questions.onView()
  t.same(asked, ['a', 'b', 'c', 'a', 'c'])
  t.match(pages, [{ names: ['a', 'b', 'c'], next: undefined }])
})

t.test('one that was taken for gone and is not is asked, too', async (t) => {
  const channels = new Map<string, string[] | undefined>([
    ['a', ['app/a']], ['b', undefined], ['c', undefined]
  ])
  const { pages, asked, questions } = living(channels)
  channels.delete('b')
  questions.onView()
  t.same(asked, ['a', 'b', 'c', 'a', 'c'])
  channels.set('b', ['app/b'])
  channels.set('c', ['app/c'])
  t.same(pages, [])
  questions.onLinkReset({ incarnation: 'c', worker: 0 })
  t.match(pages, [{ names: ['a', 'b', 'c'], next: undefined }])
})

/** Other regions of many workers each; those that are not `isUp` say nothing. */
class Abroad {
  readonly workers = new Map<string, number>()
  readonly silent = new Set<string>()
  readonly deadlines = new Deadlines()
  readonly pages: NamesPage[] = []
  readonly asked: string[] = []
  readonly asking: WorldAsking
  readonly questions: Questions
  onAsked: (region: string) => void = () => undefined
  #nowMs = 0

  constructor() {
    const places = (region = 'here'): Place[] =>
      Array.from({ length: this.workers.get(region) ?? 1 },
        (_, worker) => ({ incarnation: region, worker }))
    this.questions = new Questions({
      generation: 0, deadlines: this.deadlines, random: new Random('abroad'),
      nowMs: () => this.#nowMs,
      masterPlace: () => undefined, region: 'here', absent: () => [],
      regions: () => [...this.workers.keys()], places,
      isListed: ({ worker }, region) => worker < places(region).length,
      send: ({ incarnation, worker }, message) => {
        if (message.kind !== 'enumerate') return
        this.asked.push(`${incarnation}/${worker}`)
        if (this.silent.has(incarnation)) return
        this.deadlines.at(this.#nowMs, () => {
          this.onAsked(incarnation)
          const used = new UsedChannels(message)
          used.add(`app/${incarnation}${worker}`)
          this.questions.onAnswer(used.answer())
        })
      }
    })
    this.asking = new WorldAsking(this.questions, ASKER)
  }

  begin(): void {
    new Enumeration({ appId: 'app', prefix: '', after: '', limit: 400 }, this.questions,
      this.asking, ASKER, (page) => void this.pages.push(page)).begin()
  }

  pass(ms: number): void {
    for (const untilMs = this.#nowMs + ms; this.#nowMs < untilMs; this.#nowMs += 100) {
      this.deadlines.fire(this.#nowMs)
    }
  }

  countOf(region: string): number {
    return this.asked.filter((each) => each.startsWith(`${region}/`)).length
  }
}

t.test('[W2] regions that say nothing take a second together, however large', async (t) => {
  const world = new Abroad()
  for (let at = 0; at < 10; at++) {
    world.workers.set(`mute${at}`, 40)
    world.silent.add(`mute${at}`)
  }
  world.workers.set('us', 40)
  world.begin()
  world.pass(limits.regionAnswerMs + 200)
  t.equal(world.pages.length, 1)
  t.equal(world.pages[0]?.names.length, 41, 'of ours and of those that answer')
  t.equal(world.asking.missing.length, 10)
})

t.test('[W2] a worker that is new in another region is asked, and nobody else', async (t) => {
  const world = new Abroad()
  world.workers.set('us', 3).set('ap', 3)
  world.onAsked = (region) => {
    world.onAsked = () => undefined
    world.workers.set(region === 'here' ? 'us' : region, 4)
  }
  world.begin()
  world.pass(300)
  t.equal(world.pages[0]?.names.length, 8)
  t.match([world.countOf('here'), world.countOf('us'), world.countOf('ap')], [1, 7, 3])
  t.same(world.asking.missing, [])
})

t.test('[W2] a region whose workers do not stay the same is named', async (t) => {
  const world = new Abroad()
  world.workers.set('us', 3)
  world.onAsked = (region) => {
    if (region === 'us') world.workers.set('us', world.workers.get('us')! + 1)
  }
  world.begin()
  world.pass(500)
  t.equal(world.pages.length, 1)
  t.same(world.asking.missing, ['us'])
})

t.test('[W2] a region that is heard of while others are asked is asked as well', async (t) => {
  const world = new Abroad()
  world.onAsked = () => void world.workers.set('us', 2)
  world.begin()
  world.pass(300)
  t.same(world.pages[0]?.names, ['here0', 'us0', 'us1'])
})
