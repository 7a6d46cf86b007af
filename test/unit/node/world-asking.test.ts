/* Who is present, how channels are used and which there are, asked of several regions. */

import t from 'tap'
import { EMPTY } from '../../../src/channel/occupancy.ts'
import { answerTo } from '../../../src/channel/answers.ts'
import type { ChannelMaster } from '../../../src/channel/master.ts'
import { UsedChannels } from '../../../src/channel/used-channels.ts'
import { Enumeration, type NamesPage } from '../../../src/node/enumeration.ts'
import { type MembersPage, readMembers } from '../../../src/node/members-reading.ts'
import type { Questions } from '../../../src/node/questions.ts'
import { WorldAsking } from '../../../src/node/world-asking.ts'
import type { Occupancy } from '../../../src/peer/census-message.ts'
import type { PresenceMember } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'
import type {
  Answer, Enumerated, MasterQuestion
} from '../../../src/peer/question-message.ts'
import { regionOwner } from '../../../src/peer/relay-message.ts'

const CHANNEL = 'app/c'
const ASKER = { isOver: false }

function member(clientId: string, region?: string): PresenceMember {
  const owner = region === undefined ? { incarnation: 'a', worker: 0, generation: 1, claim: 0 }
    : regionOwner(region, 0)
  return {
    connectionId: 'c', clientId, id: `c:${clientId}:0`, timestamp: 1, data: undefined,
    encoding: undefined, extras: undefined, owner
  }
}

/** A region: who is present by its own word, and whom it has heard of. */
class Region {
  readonly members: PresenceMember[] = []
  /** By worker, keys of channels. */
  readonly used: string[][] = [[]]
  isUp = true
  /** Its masters know nothing of a world that is asked. */
  isFormer = false
  /** How many of a long answer it tells at a time. */
  pageMax = Infinity

  add(...names: string[]): this {
    this.members.push(...names.map((name) => member(name)))
    return this
  }

  hears(region: string, ...names: string[]): this {
    this.members.push(...names.map((name) => member(name, region)))
    return this
  }

  answer(question: MasterQuestion): Answer {
    const shown = this.members
    const bornCount = shown.filter(({ owner }) => !owner.incarnation.startsWith('@')).length
    const presence = { shown: () => shown, memberCount: shown.length, bornCount }
    const census = {
      ask: (tell: (occupancy: Occupancy) => void, isOfWorld = false) => {
        const count = isOfWorld ? bornCount : shown.length
        tell({ ...EMPTY, connections: count, presenceMembers: count })
      }
    }
    const asked = question.kind !== 'presence'
      ? this.isFormer ? { ...question, isOfWorld: undefined! } : question
      : { ...question, countMax: Math.min(question.countMax, this.pageMax) }
    const channel = { presence, census } as unknown as ChannelMaster
    let told: Answer | undefined
    answerTo(asked, channel, 'l', (answer) => void (told = answer))
    return told!
  }
}

/** The regions of a world, the first of which is ours. */
class World {
  readonly all: Map<string, Region>
  absent: readonly string[] = []
  readonly asked: string[] = []

  constructor(regions: Record<string, Region>) {
    this.all = new Map(Object.entries(regions))
  }

  get regions(): string[] {
    return [...this.all.keys()].slice(1)
  }

  get #own(): string {
    return [...this.all.keys()][0]!
  }

  places(name = this.#own): Place[] {
    return this.all.get(name)!.used.map((_, worker) => ({ incarnation: name, worker }))
  }

  ask(_: unknown, __: string, question: MasterQuestion, onAnswer: (answer: Answer) => void): void {
    onAnswer(this.all.get(this.#own)!.answer(question))
  }

  askAbroad(
    _: unknown, __: string, questions: ReadonlyMap<string, MasterQuestion>,
    onAnswers: (answers: ReadonlyMap<string, Answer>) => void
  ): void {
    this.asked.push(...questions.keys())
    const up = [...questions].filter(([name]) => this.all.get(name)!.isUp)
    onAnswers(new Map(up.map(([name, question]) => [name, this.all.get(name)!.answer(question)])))
  }

  enumerate(
    _: unknown, { incarnation, worker }: Place,
    question: { prefix: string; after: string; countMax: number },
    onAnswer: (answer: Enumerated | undefined) => void
  ): void {
    this.asked.push(`${incarnation}/${worker}`)
    const { used, isUp } = this.all.get(incarnation)!
    const page = new UsedChannels({ kind: 'enumerate', askNo: 1, ...question })
    for (const channel of used[worker]!) page.add(channel)
    onAnswer(isUp ? page.answer() : undefined)
  }

  asking(): WorldAsking {
    return new WorldAsking(this as unknown as Questions, ASKER)
  }

  page(limit: number, after?: string): { names: string[]; next?: string; missing: string[] } {
    const asking = this.asking()
    let page: MembersPage | undefined
    readMembers(CHANNEL, { limit, after }, asking.members, (told) => void (page = told))
    const names = page!.members.map(({ clientId }) => clientId)
    const next = page!.next === undefined ? {} : { next: page!.next }
    return { names, ...next, missing: asking.missing }
  }

  status(): Pick<Occupancy, 'connections' | 'presenceMembers'> {
    let told: Occupancy | undefined
    this.asking().status(CHANNEL, (occupancy) => void (told = occupancy))
    const { connections, presenceMembers } = told!
    return { connections, presenceMembers }
  }

  channels(limit: number, after = ''): NamesPage & { missing: string[] } {
    const asking = this.asking()
    let page: NamesPage | undefined
    const request = { appId: 'app', prefix: '', after, limit }
    new Enumeration(request, this as unknown as Questions, asking, ASKER,
      (told) => void (page = told)).begin()
    return { ...page!, missing: asking.missing }
  }
}

t.test('[W15] who is present anywhere is read anywhere, each once', async (t) => {
  const eu = new Region().add('anna', 'dora').hears('us', 'ben')
  const us = new Region().add('ben', 'carl').hears('eu', 'anna')
  const world = new World({ eu, us, ap: new Region() })
  t.same(world.page(10), { names: ['anna', 'ben', 'carl', 'dora'], missing: [] })
  t.same(world.page(3), { names: ['anna', 'ben', 'carl'], next: 'c:carl', missing: [] })
  t.same(world.page(3, 'c:carl'), { names: ['dora'], missing: [] })
  t.same(world.status(), { connections: 4, presenceMembers: 4 })
  t.same(new World({ ap: new Region(), us, eu }).status(), { connections: 4, presenceMembers: 4 })
})

t.test('[W15] a region knows best who is present there', async (t) => {
  const eu = new Region().add('anna').hears('us', 'left', 'ben')
  const world = new World({ eu, us: new Region().add('ben') })
  t.same(world.page(10), { names: ['anna', 'ben'], missing: [] })
  t.same(world.status(), { connections: 2, presenceMembers: 2 })
})

t.test('[W15] pages neither repeat nor skip, however little each region tells', async (t) => {
  const names = Array.from({ length: 60 }, (_, at) => String(at).padStart(2, '0'))
  const world = new World({ eu: new Region(), us: new Region(), ap: new Region() })
  const regions = [...world.all.values()]
  for (const [at, name] of names.entries()) regions[at % 7 % 3]!.add(name)
  // What ours has heard fills its answers, and is told by the others.
  regions[0]!.hears('us', ...names.slice(10, 30).filter((_, at) => (at + 10) % 7 % 3 === 1))
  for (const pageMax of [1, 2, 5, Infinity]) {
    for (const region of regions) region.pageMax = pageMax
    for (const limit of [1, 7, 100]) {
      const walked: string[] = []
      for (let after: string | undefined = ''; after !== undefined;) {
        const page = world.page(limit, after)
        t.ok(page.next === undefined || page.names.length === limit, 'a page is full')
        walked.push(...page.names)
        after = page.next
      }
      t.same(walked, names)
    }
  }
})

t.test('[W2] who does not answer is named and asked once; what is known is told', async (t) => {
  const eu = new Region().add('anna').hears('us', 'ben')
  const us = new Region().add('ben', 'carl')
  const world = new World({ eu, us, ap: new Region().add('dora') })
  eu.pageMax = 1
  us.isUp = false
  world.absent = ['sa']
  t.same(world.page(10), { names: ['anna', 'ben', 'dora'], missing: ['sa', 'us'] })
  t.equal(world.asked.filter((name) => name === 'us').length, 1, 'it costs one second')
  t.same(world.status(), { connections: 2, presenceMembers: 3 })
  // Out of the world nobody can tell what became of its members.
  world.all.delete('us')
  t.same(world.page(10).names, ['anna', 'ben', 'dora'])
  t.same(world.status(), { connections: 2, presenceMembers: 3 })
})

t.test('[W15] who tells what all regions have is not counted beside them', async (t) => {
  const eu = new Region().add('anna').hears('us', 'ben', 'carl')
  const us = new Region().add('ben', 'carl').hears('eu', 'anna')
  const world = new World({ eu, us })
  const all = { connections: 3, presenceMembers: 3 }
  t.same(world.status(), all)
  eu.isFormer = true
  t.same(world.status(), all)
  us.isFormer = true
  t.same(world.status(), all)
  eu.isFormer = false
  t.same(world.status(), { connections: 1, presenceMembers: 3 })
  const asking = world.asking()
  asking.status(CHANNEL, () => undefined)
  t.same(asking.missing, ['us'])
  const idle = new Region()
  idle.isFormer = true
  us.isFormer = false
  t.same(new World({ ap: idle, us, eu }).status(), all, 'one that knows nobody')
})

t.test('[W15] only regions that use a channel are asked how, if that is known', async (t) => {
  const world = new World({ eu: new Region().add('anna').hears('us', 'left'), us: new Region() })
  let told: Occupancy | undefined
  world.asking().status(CHANNEL, (occupancy) => void (told = occupancy), () => false)
  t.match(told, { connections: 1, presenceMembers: 1 }, 'who is asked nothing has nobody')
  t.same(world.asked, [])
})

t.test('[W15] channels of all regions in order, each once, with who uses them', async (t) => {
  const world = new World({ eu: new Region(), us: new Region(), ap: new Region() })
  const [eu, us, ap] = [...world.all.values()]
  eu!.used[0] = ['app/b', 'other/x']
  us!.used.push([])
  us!.used[0] = ['app/c']
  us!.used[1] = ['app/a', 'app/b', 'app/[meta]log']
  ap!.used[0] = Array.from({ length: 600 }, (_, at) => `app/m${String(at).padStart(3, '0')}`)
  const { names, usedIn, next, missing } = world.channels(4)
  t.same({ names, next, missing }, { names: ['a', 'b', 'c', 'm000'], next: 'm000', missing: [] })
  t.same([...usedIn].slice(0, 4),
    [['a', new Set(['us'])], ['b', new Set(['us'])], ['c', new Set(['us'])],
      ['m000', new Set(['ap'])]])
  t.equal(world.channels(1_000).names.length, 603)
  const walked: string[] = []
  for (let after: string | undefined = ''; after !== undefined;) {
    const page = world.channels(100, after)
    walked.push(...page.names)
    after = page.next
  }
  t.equal(walked.length, 603)
  t.same(walked, walked.toSorted())
})

t.test('[W2] regions that do not say which channels they use are named', async (t) => {
  const world = new World({ eu: new Region(), us: new Region() })
  const [eu, us] = [...world.all.values()]
  eu!.used[0] = ['app/a']
  us!.used.push([], [])
  us!.isUp = false
  t.match(world.channels(10), { names: ['a'], next: undefined, missing: ['us'] })
  t.same(world.asked, ['eu/0', 'us/0'], 'the rest of it is not waited for')
})
