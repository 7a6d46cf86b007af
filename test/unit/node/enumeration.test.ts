import t from 'tap'
import { UsedChannels } from '../../../src/channel/used-channels.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Enumeration, type NamesPage } from '../../../src/node/enumeration.ts'
import { Questions } from '../../../src/node/questions.ts'

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
    { isOver: false }, (page) => void pages.push(page)).begin()
  t.equal(pages.length, 1)
  return { page: pages[0]!, askedCount }
}

const many = (mark: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `app/${String(at).padStart(4, '0')}${mark}`)

t.test('names of all workers in order, without metachannels and other apps', async (t) => {
  const workers = [['app/b', 'app/[meta]b', 'other/x'], ['app/a', 'app/b', 'app/c']]
  t.same(pageOf(workers, { limit: 10 }).page, { names: ['a', 'b', 'c'], next: undefined })
  t.same(pageOf(workers, { limit: 2 }).page, { names: ['a', 'b'], next: 'b' })
  t.same(pageOf(workers, { limit: 2, after: 'b' }).page, { names: ['c'], next: undefined })
  t.same(pageOf(workers, { limit: 2, prefix: 'b' }).page, { names: ['b'], next: undefined })
  t.same(pageOf([], { limit: 2 }).page, { names: [], next: undefined })
})

t.test('where workers have more than they tell at a time nothing is missed', async (t) => {
  const workers = [many('a', 600), many('b', 30), many('c', 300)]
  const all = workers.flat().map((each) => each.slice(4)).sort()
  const { page, askedCount } = pageOf(workers, { limit: 1_000 })
  t.same(page, { names: all, next: undefined })
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
  t.same(pageOf([[...meta, 'app/x']], { limit: 5 }).page, { names: ['x'], next: undefined })
})

t.test('a channel that several workers know is told once', async (t) => {
  const workers = [['app/a', 'app/b'], ['app/b', 'app/a'], ['app/b', 'app/b']]
  t.same(pageOf(workers, { limit: 10 }).page, { names: ['a', 'b'], next: undefined })
  t.same(pageOf(workers, { limit: 1 }).page, { names: ['a'], next: 'a' })
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
    { isOver: false }, (page) => void pages.push(page)).begin()
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
  t.same(pages, [{ names: ['a', 'b', 'c'], next: undefined }])
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
  t.same(pages, [{ names: ['a', 'b', 'c'], next: undefined }])
})
