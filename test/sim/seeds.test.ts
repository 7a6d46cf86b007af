import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nothingRare } from './mix.ts'
import { type RunResult, simulate } from './simulate.ts'

const SEED_COUNT = 200
t.setTimeout(550_000)
/** Every so many seeds one is run twice. */
const TWICE_EVERY = 25

function failureOf({ seed, violation, mix }: RunResult): string | undefined {
  if (violation === undefined) return undefined
  const words = violation.name === 'Violation' ? violation.message : violation.stack
  return `seed ${seed}: ${words} (${mix}); again: make sim SEEDS=1 FIRST_SEED=${seed}`
}

/** All kinds of weather that there are; none of them may be without effect by an oversight. */
const KINDS = [
  'skewMs', 'loss', 'repeat', 'spikes', 'lateRepeat', 'partitions', 'one-way cuts', 'splits',
  'mesh downs', 'pauses', 'crashes', 'machine losses', 'region restarts', 'drains', 'scalings',
  'worker deaths', 'worker hangs', 'worker mesh downs', 'strains', 'clock steps', 'API away',
  'API cuts', 'watchTrouble', 'ringTrouble', 'ring losses', 'ring freezes', 'logTrouble',
  'logLag', 'log away', 'log full', 'log cuts', 'stream away', 'stream full', 'log rollbacks',
  'log made anew', 'logRoomBytes', 'client drops', 'client cuts', 'client stalls', 'client aways',
  'long aways', 'long pauses', 'isTight', 'isShort', 'isBrief'
]

interface Runs {
  readonly failures: string[]
  readonly seen: Map<string, number>
  readonly weather: Map<string, number>
}

function run(seeds: readonly number[]): Runs {
  const failures: string[] = []
  const seen = new Map<string, number>()
  const weather = new Map<string, number>()
  for (const seed of seeds) {
    const result = simulate({ seed })
    const failure = failureOf(result)
    if (failure !== undefined) failures.push(failure)
    for (const [sums, counts] of [[seen, result.seen], [weather, result.weather]] as const) {
      for (const [what, count] of Object.entries(counts)) {
        sums.set(what, (sums.get(what) ?? 0) + count)
      }
    }
    if (seed % TWICE_EVERY !== 0) continue
    if (simulate({ seed }).fingerprint !== result.fingerprint) {
      failures.push(`seed ${seed}: two runs of it differ`)
    }
  }
  return { failures, seen, weather }
}

t.test('[26] in every weather every promise is kept', async (t) => {
  const { failures, seen, weather } = run(Array.from({ length: SEED_COUNT }, (_, at) => at + 1))
  t.same(failures, [])
  for (const [what, least] of [
    ['shown', 50_000], ['acknowledged', 20_000], ['resumed', 1_000], ['takeovers', 800],
    ['views', 800], ['refused', 200],
    // What is kept by time, beyond its time: connections, ids, channels.
    ['connectionsLateForResume', 10], ['idsOutlived', 100], ['channelsReborn', 10]
  ] as const) t.ok(seen.get(what)! >= least, `${seen.get(what)} ${what}`)
  t.same(KINDS.filter((kind) => !weather.has(kind)), [], 'no kind of weather is missing')
})

t.test('[26] seeds that found something once find it no more', async (t) => {
  const lines = readFileSync(join(import.meta.dirname, 'seeds.txt'), 'utf8').split('\n')
  const cured = lines.flatMap((line) => {
    const [, seed, commit] = /^(\d+) (\S+) /.exec(line) ?? []
    return seed === undefined || commit === '-' ? [] : [Number(seed)]
  })
  t.ok(cured.length > 0)
  t.same(run(cured).failures, [])
})

t.test('[26] in a calm region nobody is told of a loss, and nothing is refused', async (t) => {
  const calm = Object.fromEntries([
    'skewMs', 'loss', 'repeat', 'spikes', 'partitions', 'oneWayCuts', 'meshDowns', 'pauses',
    'crashes', 'machineLosses', 'workerDeaths', 'drains', 'clockSteps', 'apiAways',
    'watchTrouble', 'ringTrouble', 'logTrouble', 'logLag', 'logAways', 'logFulls', 'clientDrops',
    'clientCuts', 'clientStalls', 'clientAways', 'logRollbacks', 'logAnews',
    'logRoomBytes', 'archiveTrouble', 'archiveLag', 'archiveAways', 'archiveFulls'
  ].map((fault) => [fault, 0]))
  const mix = { ...calm, ...nothingRare, isTight: false, isShort: false }
  const { violation, seen } = simulate({ seed: 1, nodeCount: 3, mix })
  t.equal(violation, undefined)
  t.equal(seen['losses'], 0)
  t.equal(seen['refused'], 0)
  t.ok(seen['shown']! > 100)
})

t.test('a run that touches a real clock, timer or chance fails', async (t) => {
  for (const touch of [
    () => Date.now(), () => new Date(), () => Math.random(), () => performance.now(),
    () => setTimeout(() => undefined, 1), () => 'a'.localeCompare('b')
  ]) {
    const { violation } = simulate({ seed: 1, onRegion: () => void touch() })
    t.match(violation, { message: /called in a simulation/ })
  }
  t.ok(Date.now() > 0, 'and they are back afterwards')
})

t.test('a run in which time does not pass ends, and fails', async (t) => {
  const { violation, virtualMs } = simulate({
    seed: 1,
    onRegion: ({ world }) => {
      const again = (): void => void world.after(0, again)
      world.after(1_000, again)
    }
  })
  t.match(violation, { message: 'endless: time does not pass' })
  t.ok(virtualMs < 1_001)
})
