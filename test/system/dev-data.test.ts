/** The data file of dev mode: apps with their keys, persisted messages and statistics. */

import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Ably from 'ably'
import t from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'

const COUNT = 'messages.inbound.rest.messages.count'

function start(dataFile: string): Promise<DevRegion> {
  return startDevRegion({
    nodes: 2, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent', dataFile
  })
}

function restOf({ urls: [url = ''] }: DevRegion, key: string): Ably.Rest {
  const { hostname, port } = new URL(url)
  return new Ably.Rest({ key, endpoint: hostname, port: Number(port), tls: false, logLevel: 0 })
}

/** What is persisted of a channel, with its serials. */
async function historyOf(rest: Ably.Rest, name: string): Promise<[string, string][]> {
  const { items } = await rest.channels.get(name).history({ direction: 'forwards' })
  return items.map(({ data, serial }) => [data, serial ?? ''])
}

async function countedBy(rest: Ably.Rest): Promise<number> {
  const { items } = await rest.stats({ unit: 'month' })
  return items.reduce((sum, { entries }) => sum + (entries?.[COUNT] ?? 0), 0)
}

t.test('[22] a region begins with what its file has', { timeout: 120_000 }, async (t) => {
  const dataFile = join(t.testdir(), 'data.db')
  const first = await start(dataFile)
  t.teardown(() => first.stop())
  const made = await fetch(`${first.urls[0]}/apps`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keys: [{}], namespaces: [{ id: 'kept', persisted: true }] })
  })
  const { appId, keys: [{ keyStr }] } = (await made.json()) as
    { appId: string, keys: [{ keyStr: string }] }
  const before = restOf(first, keyStr)
  for (const data of ['a', 'b', 'c']) await before.channels.get('kept:c').publish('n', data)
  const told = await historyOf(before, 'kept:c')
  t.equal(told.length, 3)
  await first.stop()
  t.equal(statSync(dataFile).mode & 0o077, 0, 'nobody else may read its secrets')

  const second = await start(dataFile)
  t.teardown(() => second.stop())
  t.equal(second.key, first.key)
  const after = restOf(second, keyStr)
  t.same(await historyOf(after, 'kept:c'), told)
  t.equal(await countedBy(after), 3)
  await after.channels.get('kept:c').publish('n', 'd')
  const all = await historyOf(after, 'kept:c')
  t.same(all.map(([data]) => data), ['a', 'b', 'c', 'd'])
  t.same(all.map(([, serial]) => serial).toSorted(), all.map(([, serial]) => serial))

  await fetch(`${second.urls[0]}/apps/${appId}`, { method: 'DELETE',
    headers: { authorization: `Basic ${Buffer.from(keyStr).toString('base64')}` } })
  await second.stop()
  const third = await start(dataFile)
  t.teardown(() => third.stop())
  await t.rejects(countedBy(restOf(third, keyStr)), { code: 40101 })
})

t.test('a file that is none of ours is refused by name', async (t) => {
  const dataFile = join(t.testdir(), 'words.txt')
  writeFileSync(dataFile, 'these are words, and no database of any kind. '.repeat(100))
  await t.rejects(start(dataFile), { message: `--data-file ${dataFile}: file is not a database` })
  const away = join(t.testdir(), 'none', 'data.db')
  await t.rejects(start(away), { message: `--data-file ${away}: unable to open database file` })
})
