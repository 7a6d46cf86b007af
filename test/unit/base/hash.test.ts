import t from 'tap'
import { hash32, partitionOf } from '../../../src/base/hash.ts'

/** Written down once: a change here moves channels between partitions of living regions. */
const PINNED: readonly (readonly [string, number])[] = [
  ['', 2872998923], ['a', 444641715], ['app/room', 2248128393], ['app/é', 106505452],
  ['app/中文', 486114296], ['app/\u{1f600}', 1685040376]
]

t.test('a channel stays in its partition from release to release', async (t) => {
  for (const [text, hash] of PINNED) t.equal(hash32(text), hash, JSON.stringify(text))
  t.equal(partitionOf('app/room', 4_096), 1929)
})

t.test('hashes are 32 bits, and partitions are within their count', async (t) => {
  for (let no = 0; no < 5_000; no++) {
    const hash = hash32(`app/channel-${no}`)
    if (!Number.isInteger(hash) || hash < 0 || hash > 0xffffffff) t.fail(`hash ${hash}`)
    const partition = partitionOf(`app/channel-${no}`, 7)
    if (partition < 0 || partition >= 7) t.fail(`partition ${partition}`)
  }
})

t.test('short names that differ little are spread evenly over a power of two', async (t) => {
  const families: ((no: number) => string)[] = [
    (no) => `app/room:${no}`, (no) => `app/${no.toString(36)}`, (no) => `${no}/chat`,
    (no) => `app/${'x'.repeat(no % 64)}${no}`
  ]
  for (const family of families) {
    const counts = new Array<number>(256).fill(0)
    for (let no = 0; no < 25_600; no++) counts[partitionOf(family(no), 256)]!++
    // Chi squared of 255 degrees: 255 ± 23; far outside means that some partitions are hot.
    const chi = counts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)
    t.ok(chi < 255 + 6 * 23, `${family(1)}: ${chi.toFixed()}`)
  }
})

t.test('characters beyond Latin count with all their bits', async (t) => {
  const texts = ['é', 'e', 'ĩ', '中', '丮', '\u{1f600}', '\u{1f601}', '']
  t.equal(new Set(texts.map(hash32)).size, texts.length)
})
