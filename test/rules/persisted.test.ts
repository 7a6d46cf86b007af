import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode, encode } from '@msgpack/msgpack'
import * as Ably from 'ably'
import type { Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { decodeArchived, encodeArchived } from '../../src/log/archive.ts'
import { EmbeddedArchive } from '../../src/store/embedded-archive.ts'
import { ablyClient, errorOf, until } from '../support/ably-clients.ts'
import { EventReader } from '../support/event-reader.ts'
import { ruleFile, type Stage, type WireFormat } from './support/rule.ts'

const REFUSED = { code: 50005, statusCode: 503 }
/** No acknowledgement takes so long. */
const SILENT_MS = 2_500
const EVERYTHING = JSON.stringify({ '[*]*': ['*'] })

/** Key of an app whose namespace `kept` is persisted. */
async function keyOf(on: Stage): Promise<string> {
  const namespaces = [{ id: 'kept', persisted: true }]
  const { keys } = await on.app({ keys: [{ capability: EVERYTHING }], namespaces })
  return keys[0]!
}

async function dataOf(
  channel: Ably.RealtimeChannel | Ably.Channel, params: Ably.RealtimeHistoryParams
): Promise<unknown[]> {
  const data: unknown[] = []
  let page: Ably.PaginatedResult<Ably.Message> | null =
    await (channel as Ably.Channel).history(params)
  while (page !== null) {
    data.push(...page.items.map((item) => item.data))
    page = page.hasNext() ? await page.next() : null
  }
  return data
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at))

async function publishMany(t: Test, on: Stage, key: string, name: string, count: number) {
  const channel = on.client(t, 0, {}, key).channels.get(name)
  await Promise.all(upTo(count).map((data) => channel.publish('n', data)))
}

/** A region of one node with an archive of its own, and an app with persisted namespaces. */
class Own {
  readonly region: DevRegion
  readonly key: string
  readonly #isBinary: boolean

  constructor(region: DevRegion, key: string, format: WireFormat) {
    this.region = region
    this.key = key
    this.#isBinary = format === 'msgpack'
  }

  static async start(
    t: Test, format: WireFormat, options: { dataFile?: string; historyBytesMax?: number }
  ): Promise<Own> {
    const region = await startDevRegion({
      nodes: 1, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent', ...options
    })
    t.teardown(() => region.stop())
    const namespaces = [
      { id: 'kept', persisted: true }, { id: 'short', persisted: true, retention: '2m' },
      { id: 'last', persistLast: true }
    ]
    const made = await fetch(`${region.urls[0]}/apps`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ keys: [{ capability: EVERYTHING }], namespaces })
    })
    const { keys } = (await made.json()) as { keys: { keyStr: string }[] }
    return new Own(region, keys[0]!.keyStr, format)
  }

  client(t: Test): Ably.Realtime {
    return ablyClient(t, this.region.urls[0]!, this.key, { useBinaryProtocol: this.#isBinary })
  }

  rest(): Ably.Rest {
    const { hostname, port } = new URL(this.region.urls[0]!)
    return new Ably.Rest({
      key: this.key, endpoint: hostname, port: Number(port), tls: false, logLevel: 0 as const,
      useBinaryProtocol: this.#isBinary
    })
  }
}

function fileOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-history-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'history.db')
}

/** The data of the first messages that one is told who attaches with this rewind. */
async function rewound(
  client: Ably.Realtime, name: string, rewind: string, count: number
): Promise<unknown[]> {
  const channel = client.channels.get(name, { params: { rewind } })
  const told: unknown[] = []
  await new Promise<void>((resolve, reject) => {
    const listener = ({ data }: Ably.Message): void => {
      told.push(data)
      if (told.length === count) resolve()
    }
    channel.subscribe(listener).then((change) => {
      if (count === 0 && change?.hasBacklog !== true) resolve()
    }, reject)
  })
  await channel.detach()
  return told
}

/** Publishes until one is not acknowledged, for it waits for the archive; gives those that are. */
async function fill(channel: Ably.RealtimeChannel): Promise<string[]> {
  const acked: string[] = []
  for (;;) {
    const data = `${acked.length} ${'x'.repeat(8_000)}`
    const publish = channel.publish('n', data).then(() => true, () => false)
    const silence = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), SILENT_MS))
    if (!await Promise.race([publish, silence])) return acked
    acked.push(data)
  }
}

/** A record of one message, as some master wrote it long ago. */
function recordOf(channel: string, seq: number, atMs: number, data: string): Uint8Array {
  const publication = {
    seq, entry: seq, timestamp: atMs, counter: 0, id: `long-ago:${seq}`,
    idSpace: 'connection' as const, connectionId: 'long-ago', messageCount: 1,
    payload: encode([{ name: 'n', data }]), keptMs: 72 * 3_600_000
  }
  return encodeArchived(channel, {
    lineage: 'longago', epoch: 1, before: seq - 1, back: seq - 1, backCount: 1,
    publications: [publication], tick: { ms: atMs, counter: 0 }
  })
}

/** Puts messages of another lineage, older than what is held, into the archive. */
async function archiveOld(t: Test, dataFile: string, channel: string): Promise<void> {
  const archive = new EmbeddedArchive(dataFile)
  t.teardown(() => archive.close())
  const shelf = { partition: 0, channel, of: 'messages' as const }
  for (const [at, minutes] of [90, 30, 5].entries()) {
    const bytes = recordOf(channel, at + 1, Date.now() - minutes * 60_000, `${minutes} m`)
    await archive.append(shelf, at, bytes, 3_600_000)
  }
}

ruleFile('persisted', (rule) => {
  rule('H1', 'what a persisted channel was told is read by pages both ways', async (t, on) => {
    const key = await keyOf(on)
    const name = `kept:${on.name('pages')}`
    const heard: string[] = []
    const listening = on.client(t, 2, {}, key).channels.get(name)
    await listening.subscribe(({ serial }) => void heard.push(serial!))
    await publishMany(t, on, key, name, 320)
    for (const node of [1, 2]) {
      const channel = on.rest(node, { key }).channels.get(name)
      t.same(await dataOf(channel, { limit: 50, direction: 'forwards' }), upTo(320))
      t.same(await dataOf(channel, { limit: 100 }), upTo(320).reverse())
    }
    const { items } = await on.rest(1, { key }).channels.get(name).history({ limit: 1_000 })
    t.same(items.map(({ serial }) => serial).reverse(), heard, 'as it was heard')
  })

  rule('H1', 'presence events too', async (t, on) => {
    const key = await keyOf(on)
    const name = `kept:${on.name('presence')}`
    const ann = on.client(t, 0, { clientId: 'ann' }, key).channels.get(name)
    await ann.presence.enter('here')
    await ann.presence.update('there')
    await ann.presence.leave('gone')
    const { items } = await on.rest(1, { key }).channels.get(name).presence.history()
    t.same(items.map(({ action, data }) => `${action} ${data}`),
      ['leave gone', 'update there', 'enter here'])
  })

  rule('H2', 'before an attachment, and between two times', async (t, on) => {
    const key = await keyOf(on)
    const name = `kept:${on.name('bounds')}`
    await publishMany(t, on, key, name, 30)
    const late = on.client(t, 2, {}, key).channels.get(name)
    await late.attach()
    await on.rest(1, { key }).channels.get(name).publish('n', 'after')
    const before = await late.history({ untilAttach: true, limit: 1_000 })
    t.same(before.items.map(({ data }) => data).reverse(), upTo(30))
    const all = await on.rest(0, { key }).channels.get(name).history({ direction: 'forwards' })
    const [start, end] = [all.items[5]!.timestamp, all.items[20]!.timestamp]
    const wanted = all.items.filter(({ timestamp }) => timestamp >= start && timestamp <= end)
    const between = await on.rest(1, { key }).channels.get(name)
      .history({ start, end, direction: 'forwards' })
    t.same(between.items.map(({ data }) => data), wanted.map(({ data }) => data))
  })

  rule('H2', 'a cursor that is none is refused', async (t, on) => {
    const key = await keyOf(on)
    const path = `/channels/kept:${on.name('cursor')}/messages`
    const page = await on.rest(1, { key }).request('GET', path, 3, { cursor: 'x!y' })
    t.match(page, { statusCode: 400, errorCode: 40011 })
  })

  rule('H3', 'a full archive: refused with 50005, nothing acknowledged is lost', async (t, on) => {
    const own = await Own.start(t, on.format, { historyBytesMax: 400_000 })
    const acked = await fill(own.client(t).channels.get('kept:full'))
    const client = own.client(t)
    t.match(await errorOf(client.channels.get('kept:full').publish('n', 'small')), REFUSED)
    t.match(await errorOf(own.rest().channels.get('kept:full').publish('n', 'small')), REFUSED)
    t.ok(acked.length > 5)
    const told = await dataOf(own.rest().channels.get('kept:full'), { direction: 'forwards' })
    t.same(told.slice(0, acked.length), acked)
    const other = client.channels.get('other')
    await other.publish('n', 'goes on')
    t.same(await dataOf(own.rest().channels.get('other'), {}), ['goes on'])
  }, undefined, 'devOnly')

  rule('H4', 'what has had its time is told no more', async (t, on) => {
    const dataFile = fileOf(t)
    const own = await Own.start(t, on.format, { dataFile })
    const appId = own.key.split('.')[0]!
    const archive = new EmbeddedArchive(dataFile)
    t.teardown(() => archive.close())
    for (const id of ['kept', 'short']) {
      const channel = `${appId}/${id}:old`
      const shelf = { partition: 0, channel, of: 'messages' as const }
      const ages = [3 * 60_000, 100_000, 90_000]
      for (const [at, ageMs] of ages.entries()) {
        const bytes = recordOf(channel, at + 1, Date.now() - ageMs, `${ageMs}`)
        await archive.append(shelf, at, bytes, at === 1 ? 1_000 : 3_600_000)
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    for (const direction of ['forwards', 'backwards'] as const) {
      const told = async (name: string): Promise<unknown[]> =>
        (await dataOf(own.rest().channels.get(name), { direction })).sort()
      t.same(await told('kept:old'), ['180000', '90000'])
      t.same(await told('short:old'), ['90000'])
    }
  }, undefined, 'devOnly')

  rule('H6', 'who rewinds is told what the archive has, from before', async (t, on) => {
    const dataFile = fileOf(t)
    const own = await Own.start(t, on.format, { dataFile })
    await archiveOld(t, dataFile, `${own.key.split('.')[0]!}/kept:rewound`)
    const client = own.client(t)
    t.same(await rewound(client, 'kept:rewound', '2', 2), ['30 m', '5 m'])
    await own.rest().channels.get('kept:rewound').publish('n', 'now')
    t.same(await rewound(client, 'kept:rewound', '3', 3), ['30 m', '5 m', 'now'])
    t.same(await rewound(client, 'kept:rewound', '60m', 3), ['30 m', '5 m', 'now'])
    t.same(await rewound(client, 'kept:rewound', '1', 1), ['now'])
  }, undefined, 'devOnly')

  rule('T10', 'a stream that was cut off in such a rewind is told the rest', async (t, on) => {
    const dataFile = fileOf(t)
    const own = await Own.start(t, on.format, { dataFile })
    await archiveOld(t, dataFile, `${own.key.split('.')[0]!}/kept:cut`)
    const query = new URLSearchParams({ v: '3', key: own.key, channel: 'kept:cut', rewind: '3' })
    const read = async (lastEvent: string, last: string) => {
      const headers = { 'last-event-id': lastEvent }
      const reader = await EventReader.open(t, own.region.urls[0]!, `/sse?${query}`, headers)
      await until(last, () => reader.isOver || reader.events.at(-1)?.data.includes(last) === true)
      return { reader, told: reader.events.map(({ name, data }) => {
        const { data: text, code } = JSON.parse(data) as { data?: string, code?: number }
        return name === 'error' ? code : text
      }) }
    }
    const first = await read('', '"5 m"')
    t.same(first.told, ['90 m', '30 m', '5 m'])
    const { lastId } = first.reader
    await own.rest().channels.get('kept:cut').publish('n', 'now')
    const [oldest, older, old] = first.reader.events.map(({ id }) => id!)
    t.same((await read(older!, '"now"')).told, ['5 m', 'now'])
    t.same((await read(old!, '"now"')).told, ['now'])
    t.same((await read(lastId, '"now"')).told, ['now'], 'it stood there')
    const lost = await read(oldest!, '"now"')
    t.same(lost.told, [90003], 'it is not rewound so far back any more')
    t.same((await read(lost.reader.lastId, '"now"')).told, ['30 m', '5 m', 'now'])
  }, ['json'], 'devOnly')

  rule('H7', 'the last message of a channel is kept, and told to who rewinds', async (t, on) => {
    const dataFile = fileOf(t)
    const own = await Own.start(t, on.format, { dataFile })
    const appId = own.key.split('.')[0]!
    const archive = new EmbeddedArchive(dataFile)
    t.teardown(() => archive.close())
    const lastOf = (name: string) =>
      ({ partition: 0, channel: `${appId}/last:${name}`, of: 'last' as const })
    for (const data of ['first', 'second']) {
      await own.rest().channels.get('last:a').publish('n', data)
    }
    const kept = await archive.last(lastOf('a'))
    const { publications } = decodeArchived(kept.kind === 'record' ? kept.record!.bytes
      : new Uint8Array())!
    t.match(publications.map(({ payload }) => decode(payload)), [[{ data: 'second' }]])
    const bytes = recordOf(`${appId}/last:old`, 1, Date.now() - 300 * 86_400_000, 'long ago')
    await archive.append(lastOf('old'), 0, bytes, 3_600_000)
    t.same(await rewound(own.client(t), 'last:old', '5', 1), ['long ago'])
    t.same(await rewound(own.client(t), 'last:old', '60m', 0), [], 'not within that time')
    const history = own.rest().channels.get('last:old')
    t.same(await dataOf(history, { limit: 1 }), ['long ago'])
    t.same(await dataOf(history, { limit: 1, start: Date.now() - 1_000 }), [])
    t.same(await dataOf(history, {}), [], 'it is not history')
  }, undefined, 'devOnly')

  rule('H5', 'what is published later follows on it', async (t, on) => {
    const dataFile = fileOf(t)
    const own = await Own.start(t, on.format, { dataFile })
    const channel = `${own.key.split('.')[0]!}/kept:again`
    const archive = new EmbeddedArchive(dataFile)
    // Some clock was ahead.
    const bytes = recordOf(channel, 1, Date.now() + 5_000, 'before')
    await archive.append({ partition: 0, channel, of: 'messages' }, 0, bytes, 3_600_000)
    archive.close()
    await own.rest().channels.get('kept:again').publish('n', 'after')
    const again = own.rest().channels.get('kept:again')
    t.same(await dataOf(again, { direction: 'forwards' }), ['before', 'after'])
    t.same(await dataOf(again, { limit: 1 }), ['after', 'before'])
  }, undefined, 'devOnly')
})
