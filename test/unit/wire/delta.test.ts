import { decode } from '@ably/vcdiff-decoder'
import t, { type Test } from 'tap'
import { Random } from '../../../src/base/random.ts'
import { encodeDelta } from '../../../src/wire/delta.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The size of the delta, which must make the target of the base; undefined if there is none. */
function size(t: Test, base: Uint8Array, target: Uint8Array) {
  const delta = encodeDelta(base, target)
  if (delta === undefined) return undefined
  if (delta.length >= target.length) t.fail('a delta that is no gain')
  const made = decode(delta, base)
  if (Buffer.compare(Buffer.from(made), Buffer.from(target)) !== 0) {
    t.fail(`a delta of ${delta.length} makes something else`)
  }
  return delta.length
}

/** Words, so that a body looks like one. */
function text(random: Random, length: number): Uint8Array {
  const words: string[] = []
  for (let bytes = 0; bytes < length;) {
    const word = random.id(1 + random.below(9))
    bytes += word.length + 1
    words.push(word)
  }
  return bytesOf(words.join(' ')).subarray(0, length)
}

function noiseOf(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256))
}

/** The base with some of it taken out, put in, moved, repeated or overwritten. */
function edited(random: Random, base: Uint8Array): Uint8Array {
  let target = Buffer.from(base)
  for (let count = random.below(6); count >= 0; count--) {
    const at = random.below(target.length + 1)
    const to = Math.min(target.length, at + random.below(40))
    const before = target.subarray(0, at)
    const piece = target.subarray(at, to)
    const after = target.subarray(to)
    const fresh = Buffer.from(text(random, random.below(30)))
    const forms = [
      [before, after], [before, fresh, piece, after], [before, fresh, after],
      [after, piece, before], [before, piece, piece, after], [before, after, piece]
    ]
    target = Buffer.concat(forms[random.below(forms.length)]!)
  }
  return target
}

t.test('one changed word in two kilobytes costs under a tenth', async (t) => {
  const base = bytesOf(Array.from({ length: 300 }, (_, no) => `word${no}`).join(' ')).slice(0, 2048)
  const target = bytesOf(new TextDecoder().decode(base).replace('word77', 'other'))
  t.ok(size(t, base, target)! < 40, 'far under it')
})

t.test('small JSON bodies that differ a little are smaller as deltas', async (t) => {
  const bodies = [[1, 'active'], [2, 'active'], [2, 'inactive'], [3, 'inactive'], [3, 'active']]
    .map(([count, status]) => bytesOf(JSON.stringify({ foo: 'bar', count, status })))
  for (const [no, target] of bodies.slice(1).entries()) {
    t.ok(size(t, bodies[no]!, target)! < target.length)
  }
})

t.test('what shares nothing, or is too small, has no delta', async (t) => {
  const random = new Random('nothing')
  t.equal(size(t, text(random, 3_000), text(new Random('else'), 50)), undefined)
  for (const [base, target] of [['', 'abcdefgh'], ['abcdefgh', ''], ['abc', 'abcdefgh'],
    ['abcdefgh', 'abc'], ['abcdefgh', 'abcdefgh'], ['x'.repeat(9), 'y'.repeat(9)]]) {
    t.equal(size(t, bytesOf(base!), bytesOf(target!)), undefined, `${base} ${target}`)
  }
  const same = text(random, 5_000)
  t.ok(size(t, same, same)! < 25, 'the same again is next to nothing')
})

t.test('every delta of thousands of edits makes its target', async (t) => {
  const random = new Random('edits')
  let gainCount = 0
  for (let no = 0; no < 4_000; no++) {
    const length = random.below(no % 10 === 0 ? 3_000 : 300)
    const base = no % 3 === 0 ? noiseOf(random, length) : text(random, length)
    const bytes = size(t, base, edited(random, base))
    if (bytes !== undefined) gainCount++
  }
  t.ok(gainCount > 2_000, `${gainCount} are smaller`)
  for (let no = 0; no < 20; no++) {
    const base = text(random, 10_000 + random.below(50_000))
    const target = edited(random, base)
    t.ok(size(t, base, target)! < 2_000, 'large ones too')
  }
})

t.test('runs, repeats and noise are done in bounded time', async (t) => {
  const length = 65_536
  const random = new Random('hostile')
  const run = new Uint8Array(length).fill(97)
  const period = run.map((_, at) => 97 + at % 3)
  const nearly = run.map((_, at) => at % 15 === 14 ? random.below(256) : 97)
  const noise = noiseOf(random, length)
  const bodies = [run, period, nearly, noise, noise.toReversed()]
  const startMs = performance.now()
  for (const base of bodies) for (const target of bodies) size(t, base, target)
  const ms = performance.now() - startMs
  t.ok(ms < 5_000, `${ms.toFixed()} ms for ${bodies.length ** 2} pairs, with their decoding`)
})
