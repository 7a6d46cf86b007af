/** What every store of statistics has to do. */

import type { Test } from 'tap'
import type { StatsStore } from '../../../src/node/ports.ts'

const HOUR_MS = 3_600_000

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** All records below a path, as `key text`. */
export async function listed(store: StatsStore, path: string): Promise<string[]> {
  const found = new Map<string, string>()
  for (let from = 0; ;) {
    const page = await store.list(path, from)
    if (page === undefined) throw new Error(`${path} cannot be read`)
    for (const { key, bytes } of page.records) found.set(key, textOf(bytes))
    if (page.isEnd) break
    from = page.records.at(-1)!.seq + 1
  }
  return [...found].map(([key, text]) => `${key} ${text}`).sort()
}

export async function statsContract(t: Test, open: () => Promise<StatsStore>): Promise<void> {
  const [one, other] = [await open(), await open()]
  const put = (key: string, expectedSeq: number, text: string, store = one) =>
    store.put(key, expectedSeq, bytesOf(text), HOUR_MS)

  await t.test('a record is written over the one that it names, and over no other', async (t) => {
    const key = 'a1/tally/2026-02-03:15:04/n-0_1_2~0'
    const first = await put(key, 0, 'one')
    t.equal(first.kind, 'written')
    const firstSeq = first.kind === 'written' ? first.seq : 0
    t.match(await put(key, 0, 'two', other), { kind: 'conflict', lastSeq: firstSeq })
    const second = await put(key, firstSeq, 'two', other)
    t.equal(second.kind, 'written')
    const secondSeq = second.kind === 'written' ? second.seq : 0
    t.ok(secondSeq > firstSeq)
    t.match(await put(key, firstSeq, 'three'), { kind: 'conflict', lastSeq: secondSeq })
    t.same(await listed(one, key), [`${key} two`], 'and the last one alone is there')
    t.match(await put('a1/minute/none', 7, 'x'), { kind: 'conflict', lastSeq: 0 })
  })

  await t.test('what is below a path, and nothing else', async (t) => {
    for (const key of ['b/hour/2026-01', 'b/hour/2026-02', 'b/day/2026', 'bb/hour/2026-01']) {
      t.equal((await put(key, 0, key.length.toString())).kind, 'written')
    }
    t.same(await listed(other, 'b/hour/'), ['b/hour/2026-01 14', 'b/hour/2026-02 14'])
    t.same((await one.names('b/hour/'))?.toSorted(), ['b/hour/2026-01', 'b/hour/2026-02'])
    t.same(await one.names('nobody/hour/'), [])
    t.same(await listed(one, 'nobody/hour/'), [])
    t.same(await listed(one, 'b/hour/2026'), [], 'a key is no path')
  })

  await t.test('many records come in pages, in the order of their writing', async (t) => {
    const written: string[] = []
    for (let no = 0; no < 600; no++) {
      const key = `c/tally/m/${no}`
      t.equal((await put(key, 0, String(no))).kind, 'written')
      written.push(`${key} ${no}`)
    }
    t.same(await listed(other, 'c/tally/'), written.sort())
    const page = await one.list('c/tally/', 0)
    const seqs = page!.records.map(({ seq }) => seq)
    t.same(seqs, seqs.toSorted((a, b) => a - b))
    t.notOk(page!.isEnd)
  })

  await t.test('what is removed is gone, and can be written anew', async (t) => {
    const key = 'd/tally/m/s'
    await put(key, 0, 'one')
    t.ok(await other.remove(key))
    t.same(await listed(one, 'd/tally/'), [])
    t.ok(await other.remove(key), 'or was not there')
    t.match(await put(key, 5, 'two'), { kind: 'conflict', lastSeq: 0 })
    t.equal((await put(key, 0, 'two')).kind, 'written')
  })

  await t.test('of many who write at once one is first', async (t) => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, no) =>
      put('e/minute/h', 0, String(no), no % 2 === 0 ? one : other)))
    t.equal(outcomes.filter(({ kind }) => kind === 'written').length, 1)
    t.ok(outcomes.every(({ kind }) => ['written', 'conflict', 'busy'].includes(kind)))
  })
}
