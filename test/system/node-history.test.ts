/*
Persisted history on three real nodes with a real NATS: while somebody publishes, the master dies by
kill -9, then NATS does. Whatever was acknowledged is in history once, in the order in which it was
said and heard; while NATS is away nothing is acknowledged. And an archive that takes nothing more
is no trouble of channels that are not persisted.
*/

import type * as Ably from 'ably'
import { connect } from 'nats'
import t, { type Test } from 'tap'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { type NodeProcess, NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)
/** Of each node. */
const CHANNEL_COUNT = 3
/** Publishes of a channel that wait for their answers. */
const OPEN_MAX = 4
const PAGE = 100
const ARCHIVE_STREAM = /_H\d+$/
/** Enough for several pages. */
const LEAST_COUNT = 150

/** What was said on a channel, in order, and what became of it. */
interface Said {
  readonly all: string[]
  readonly acked: Set<string>
  readonly heard: string[]
}

t.test('history', { skip, timeout: 240_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const nodes = await Promise.all([0, 1, 2].map((index) => rig.startReadyNode(index)))
  await t.test('[22, G] a master and NATS die while somebody publishes', (t) =>
    testDeaths(t, rig, nodes))
  await t.test('[22, G] the archive alone takes nothing more', (t) =>
    testFullArchive(t, rig, nodes[0]!))
})

async function testDeaths(t: Test, rig: NodeRig, nodes: NodeProcess[]): Promise<void> {
  const names = await namesOf(rig, nodes)
  const [publisher, subscriber] = [rig.client(t, 0), rig.client(t, 1)]
  const said = new Map<string, Said>()
  for (const name of names) {
    const words: Said = { all: [], acked: new Set(), heard: [] }
    said.set(name, words)
    await subscriber.channels.get(name).subscribe(({ data }) => void words.heard.push(data))
  }
  const ackedCount = (): number => [...said.values()].reduce((sum, { acked }) =>
    sum + acked.size, 0)
  let isOver = false
  const talking = names.map((name) =>
    talk(publisher.channels.get(name), said.get(name)!, () => isOver))
  const untilMore = async (what: string, count = 200): Promise<void> => {
    const before = ackedCount()
    await until(`more is acknowledged ${what}`, () => ackedCount() >= before + count)
  }
  await untilMore('at first')
  await nodes[2]!.process.kill()
  await untilMore('by the next masters')
  nodes[2] = await rig.startReadyNode(2)
  await untilMore('with the third node again')
  if ('process' in rig.nats) await rig.nats.process.kill()
  await rig.stopNats()
  const before = ackedCount()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  t.equal(ackedCount(), before, 'without NATS nothing is acknowledged')
  await rig.startNats()
  await until('each channel is acknowledged much', async () => {
    return [...said.values()].every(({ acked }) => acked.size >= LEAST_COUNT)
  })
  isOver = true
  await Promise.all(talking)
  for (const name of names) await testHistory(t, rig, name, said.get(name)!)
}

/** What is refused is not in history, and what was held is; the others notice nothing. */
async function testFullArchive(t: Test, rig: NodeRig, { url }: NodeProcess): Promise<void> {
  const archive = await archiveStreams(t, rig)
  const client = rig.client(t, 0)
  const [kept, plain] = [client.channels.get('kept:full'), client.channels.get('not kept')]
  await kept.publish('n', 'before')
  await archive.setBytesMax(1)
  // By request: the answers of one connection wait for each other.
  const taken: string[] = ['before']
  const open: Promise<void>[] = []
  let refusal: { code?: number; message?: string } | undefined
  for (let no = 0; refusal === undefined; no++) {
    const data = `number ${no}`
    open.push(publishTo(url, rig.key, data).then((error) => {
      if (error === undefined) taken.push(data)
      else refusal ??= error
    }))
    await plain.publish('n', data)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.match(refusal, { code: 50005, message: /persisted messages cannot be stored/ })
  t.same(taken, ['before'], 'nothing is acknowledged that is not stored')
  t.equal((await plain.history()).items.length, open.length)
  await archive.setBytesMax(-1)
  await until('it takes publishes again', async () =>
    await publishTo(url, rig.key, 'after') === undefined)
  await Promise.all(open)
  t.ok(taken.length > 1, 'some were held')
  t.same((await readAll(kept, 'forwards')).toSorted(), [...taken, 'after'].toSorted())
}

/** Publishes by request on the channel that is kept; returns why not, if that is so. */
async function publishTo(
  url: string, key: string, data: string
): Promise<{ code?: number; message?: string } | undefined> {
  const answer = await fetch(`${url}/channels/kept%3Afull/messages`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(key).toString('base64')}`,
      'content-type': 'application/json'
    },
    body: JSON.stringify({ name: 'n', data })
  })
  const { error } = await answer.json() as { error?: { code: number; message: string } }
  return error
}

/** The streams of the archive, whose room is the test's to give. */
async function archiveStreams(
  t: Test, { nats }: NodeRig
): Promise<{ setBytesMax(bytesMax: number): Promise<void> }> {
  const connection = await connect({ servers: 'urls' in nats ? [...nats.urls] : [nats.url] })
  t.teardown(() => connection.close())
  const { streams } = await connection.jetstreamManager({ checkAPI: false })
  return {
    setBytesMax: async (bytesMax) => {
      for await (const { config } of streams.list()) {
        if (!ARCHIVE_STREAM.test(config.name)) continue
        await streams.update(config.name, { ...config, max_bytes: bytesMax })
      }
    }
  }
}

/** Channels of each node. */
async function namesOf(rig: NodeRig, nodes: readonly NodeProcess[]): Promise<string[]> {
  const states = await Promise.all(nodes.map((node) => node.state()))
  const incarnations = states.map(({ incarnation }) => incarnation)
  const view = await rig.untilServing(incarnations)
  return incarnations.flatMap((incarnation) =>
    rig.channelsOf(incarnation, view, CHANNEL_COUNT, 'kept:c'))
}

/** Publishes until it is over; what fails is not said again. */
async function talk(
  channel: Ably.RealtimeChannel, { all, acked }: Said, isOver: () => boolean
): Promise<void> {
  const open = new Set<Promise<void>>()
  for (let no = 0; !isOver(); no++) {
    const data = `${channel.name} ${no}`
    all.push(data)
    const publish: Promise<void> = channel.publish('n', data)
      .then(() => void acked.add(data), () => undefined)
      .finally(() => open.delete(publish))
    open.add(publish)
    if (open.size >= OPEN_MAX) await Promise.race(open)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await Promise.all(open)
}

async function testHistory(
  t: Test, rig: NodeRig, name: string, { all, acked, heard }: Said
): Promise<void> {
  const channel = rig.client(t, 1).channels.get(name)
  const forwards = await readAll(channel, 'forwards')
  t.same(forwards.filter((data) => acked.has(data)), all.filter((data) => acked.has(data)),
    `${name}: what was acknowledged, once and in order`)
  t.same(forwards, all.filter((data) => forwards.includes(data)), 'and nothing that was not said')
  t.same((await readAll(channel, 'backwards')).reverse(), forwards, 'backwards it is the same')
  await until('all is heard', async () => heard.length >= forwards.length)
  t.same(heard, forwards, 'as it was heard')
}

async function readAll(
  channel: Ably.RealtimeChannel, direction: 'forwards' | 'backwards'
): Promise<string[]> {
  const data: string[] = []
  let page: Ably.PaginatedResult<Ably.Message> | null =
    await channel.history({ direction, limit: PAGE })
  while (page !== null) {
    data.push(...page.items.map((item) => item.data))
    page = page.hasNext() ? await page.next() : null
  }
  return data
}
