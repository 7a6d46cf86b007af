/**
 * A region of real pods is published to by the published SDK while it is harmed in every way that
 * a cluster knows; nothing that was acknowledged may be lost, repeated or reordered, and nobody
 * who stays or resumes may be told that continuity was lost. E2E_SHORT=1: a small form of it.
 * E2E_FAULTS=crash,cut: these only. E2E_KEEP_LOGS=1: the nodes' logs are kept, as after a flaw.
 */

import t, { type Test } from 'tap'
import { KubeClient } from '../../src/kube/client.ts'
import { Gauge } from '../chaos/gauge.ts'
import { type Flaw, Ledger } from '../chaos/ledger.ts'
import { Load } from '../chaos/load.ts'
import { printMeasured, printVerdict } from '../chaos/report.ts'
import type { Fault, Scene } from '../chaos/scene.ts'
import { Cluster } from '../cluster/cluster.ts'
import { installChart } from '../cluster/install.ts'
import { clusterObstacles } from '../cluster/prerequisites.ts'
import { clientOf } from '../system/operator-rig.ts'
import { ALONE_FAULTS } from './alone-faults.ts'
import { FAULTS } from './faults.ts'
import { loseDisk } from './lost-disk.ts'
import { PodRegion, type RegionWish } from './pod-region.ts'

const IS_SHORT = process.env.E2E_SHORT === '1'
const SHORT_FAULTS = ['crash', 'cut', 'delete']
/** What cannot be done twice, or need not. */
const ONCE = new Set(['nothing', 'redundancy'])
const PART_MS = 420_000
const options = { skip: clusterObstacles(), timeout: IS_SHORT ? 500_000 : 1_800_000 }

const DISK = { type: 'Persistent', size: '2Gi' }
const EPHEMERAL = { type: 'Ephemeral', size: '2Gi' }
const SMALL = { requests: { cpu: '20m', memory: '64Mi' } }
const NODES = { workers: 1, resources: SMALL, drain: drainOf(10) }

t.test('faults on a real cluster', options, async (t) => {
  const cluster = await Cluster.start({ name: 'storm', report: (line) => console.log(`# ${line}`) })
  t.teardown(() => cluster.stop())
  await installChart(cluster.kubeconfigPath, false)
  const kube = await clientOf(cluster)
  t.teardown(() => kube.close())
  const { timeout } = options
  await t.test('[11, 12, 16, 20] three nodes, three nats-servers', { timeout }, (t) =>
    stormOn(t, cluster, kube, {
      name: 'three',
      spec: {
        ...NODES,
        nodes: 3,
        redundancy: isChosen('redundancy') ? 1 : 3,
        nats: natsOf({ servers: 3, storage: EPHEMERAL, syncInterval: '2m' })
      },
      faults: FAULTS
    }))
  await t.test('[10, 16, 20] one node, one nats-server', { timeout }, (t) =>
    stormOn(t, cluster, kube, {
      name: 'one',
      spec: {
        ...NODES, nodes: 1, redundancy: 1, nats: natsOf({ servers: 1, storage: DISK })
      },
      faults: ALONE_FAULTS
    }))
  const isLeftOut = !isChosen('disk') && 'not chosen'
  await t.test('[A4] the only disk is lost', { timeout: PART_MS, skip: isLeftOut }, (t) =>
    loseDisk(t, cluster, kube, {
      ...NODES, nodes: 1, redundancy: 1, nats: natsOf({ servers: 1, storage: EPHEMERAL })
    }))
})

interface Storm {
  readonly name: string
  readonly spec: RegionWish
  readonly faults: Readonly<Record<string, Fault<PodRegion>>>
}

/** Makes the region, harms it in every way, one after another, and judges at the end. */
async function stormOn(
  t: Test, cluster: Cluster, kube: KubeClient, { name, spec, faults }: Storm
): Promise<void> {
  const region = await PodRegion.start(t, cluster, kube, name, spec)
  const ledger = new Ledger()
  const gauge = new Gauge()
  const load = new Load(region, ledger, gauge)
  await load.start(t)
  // Where the Service leads is not known, so what it serves cannot be told to be unharmed.
  gauge.harm(region.doors.serviceHost)
  const scene = { region, load, gauge, isSurging: false }
  let isWhole = true
  for (const [number, { fault, isSurging }] of programOf(faults).entries()) {
    const skip = !isWhole && 'an earlier fault left the region broken'
    const what = isSurging ? `${fault} in a surge` : fault
    await t.test(`${name}: ${what}`, { timeout: PART_MS, skip }, async (t) => {
      isWhole = false
      ledger.during = what
      scene.isSurging = isSurging
      await harm(t, scene, faults[fault]!, number % region.size)
      ledger.during = `after ${what}`
      await load.goHome()
      isWhole = true
      t.pass(`${what} left it whole`)
    })
  }
  await t.test(`${name}: what was promised was kept`, { timeout: PART_MS, skip: !isWhole &&
    'the region is broken' }, async (t) => {
    await load.calm()
    const flaws = ledger.judge()
    printVerdict(ledger.counts, flaws)
    t.same(flaws.map(wordsOf), [], 'no promise was broken')
    t.ok(ledger.counts.acknowledged > 0, 'something was published')
    isWhole = flaws.length === 0
  })
  if (!isWhole || process.env.E2E_KEEP_LOGS === '1') {
    region.logs.keep()
    console.log(`# logs of the nodes: ${region.logs.folder}`)
  }
}

async function harm(
  t: Test, scene: Scene<PodRegion>, fault: Fault<PodRegion>, index: number
): Promise<void> {
  const startMs = performance.now()
  for (const result of await fault(scene, index)) printMeasured(result)
  t.comment(`${((performance.now() - startMs) / 1_000).toFixed(1)} s`)
}

/** What is done in which order: each of the faults, then each in the middle of a surge. */
function programOf(
  faults: Readonly<Record<string, unknown>>
): readonly { readonly fault: string; readonly isSurging: boolean }[] {
  const names = Object.keys(faults).filter(isChosen)
  const again = IS_SHORT ? [] : names.filter((name) => !ONCE.has(name))
  return [
    ...names.map((fault) => ({ fault, isSurging: false })),
    ...again.map((fault) => ({ fault, isSurging: true }))
  ]
}

function isChosen(fault: string): boolean {
  const only = process.env.E2E_FAULTS?.split(',') ?? (IS_SHORT ? SHORT_FAULTS : undefined)
  return only === undefined || only.includes(fault)
}

function wordsOf({ kind, text }: Flaw): string {
  return `${kind}: ${text}`
}

function drainOf(timeoutSeconds: number) {
  return { timeoutSeconds, terminationGracePeriodSeconds: timeoutSeconds + 10 }
}

function natsOf(managed: object) {
  return { type: 'Managed', managed: { ...managed, resources: SMALL } }
}
