import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'
import { Coverage, ROOMS } from './coverage.ts'

const ROOT = resolve(import.meta.dirname, '..', '..')
const SEED_COUNT = 45
const REGIONS_SEED_COUNT = 5
const SHARE = 0.9
/** What stands for the world outside must not be the shell's own. */
const SHELL = ['bus', 'edge', 'store', 'kube', 'operator', 'ops', 'commands']

/** Every module that `path` imports, itself included, with who imports it. */
function importsOf(path: string, known = new Set<string>()): Set<string> {
  if (known.has(path)) return known
  known.add(path)
  const text = readFileSync(path, 'utf8')
  for (const [, from] of text.matchAll(/^(?:import|export)[^'"]*? from '(\.[^']+)'$/gm)) {
    importsOf(join(dirname(path), from!), known)
  }
  return known
}

t.test('[26] the simulator runs the core as it is, and nothing of the shell', async (t) => {
  const modules = [...importsOf(join(import.meta.dirname, 'simulate.ts'))]
    .map((path) => relative(ROOT, path))
  for (const room of ROOMS) {
    const sources = globSync(`src/${room}/*.ts`, { cwd: ROOT })
    const missing = sources.filter((path) => !modules.includes(path))
    t.same(missing, [], `all of ${room} is there`)
  }
  const shell = modules.filter((path) => SHELL.some((room) => path.startsWith(`src/${room}/`)))
  t.same(shell, [])
  const others = modules.filter((path) => !/^(src|test\/sim)\//.test(path))
  // What a test's log holds; that it does so rightly the contract of logs shows.
  t.same(others, ['test/support/partition-records.ts'], 'no stand-ins from elsewhere')
  const isChanging = /prototype|^(export )?class \w+ extends (?!Error|PartitionRecords)/m
  const changing = modules.filter((path) =>
    path.startsWith('test/sim/') && isChanging.test(readFileSync(join(ROOT, path), 'utf8')))
  t.same(changing, ['test/sim/poison.ts'], 'only real time is replaced, and nothing of the core')
})

t.test('[26] it executes nine tenths of the core', async (t) => {
  const coverage = new Coverage()
  const { simulate } = await import('./simulate.ts')
  const { sceneOf, talk } = await import('./scenes.ts')
  for (let seed = 1; seed <= SEED_COUNT; seed++) simulate({ seed: 10_000 + seed })
  const { simulateRegions } = await import('./simulate-regions.ts')
  for (let seed = 1; seed <= REGIONS_SEED_COUNT; seed++) simulateRegions({ seed })
  const { WorldReader } = await import('./world-reader.ts')
  const scene = sceneOf('coverage', ['eu', 'us'])
  talk(scene, 4_000)
  const reader = new WorldReader(scene.regions[0]!)
  const place = encodeURIComponent(scene.clients[0]!.channels.get('a')!.channelSerial!)
  for (const query of ['limit=30', `direction=forwards&from_serial=${place}`]) {
    reader.pages('a', query)
  }
  reader.ask('/stats?unit=month')
  for (const { name, total, executed, left } of coverage.rooms()) {
    const share = executed / total
    const lines = [...left].map(([file, at]) => `${file}: ${at.join(' ')}`)
    t.comment(`${name}: ${(100 * share).toFixed(1)} % of ${total} characters`)
    t.ok(share >= SHARE, `${name}: ${(100 * share).toFixed(1)} %`, { left: lines })
  }
  coverage.end()
})
