import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { filterOf, parseFilter } from '../../../src/wire/filter.ts'
import type { Message } from '../../../src/wire/protocol-message.ts'

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

const alert: Message = { name: 'alert', extras: { headers: { level: 3, tags: ['a', 'b'], on: true,
  'with space': 'x', none: null, deep: { er: 'y' } }, ref: {} } }

t.test('an expression is true of a message, or it is not', async (t) => {
  const yes = [
    'name == `"alert"`', "name == 'alert'", 'headers.level == `3`', 'headers.level > `2`',
    'name == `"alert"` && headers.level == `3`', 'name == `"x"` || headers.on',
    'headers."with space" == \'x\'', "contains(headers.tags, 'a')", "starts_with(name, 'al')",
    'headers.deep.er', 'headers.tags[?@ == \'b\']', '!(headers.none)', 'headers.tags[0] == `"a"`',
    'length(headers.tags) == `2`', "to_string(headers.level) == '3'", '@', 'headers.*.er'
  ]
  for (const text of yes) {
    t.same(parseFilter(base64(text)), { ok: true, text }, text)
    t.equal(filterOf(text)(alert), true, text)
  }
  const no = [
    'name == `"other"`', 'headers.level == `"3"`', 'headers.absent', 'headers.none',
    'headers.tags[?@ == \'c\']', 'data', 'extras', 'clientId', 'headers.level < `2`'
  ]
  for (const text of no) {
    t.ok(parseFilter(base64(text)).ok, text)
    t.equal(filterOf(text)(alert), false, text)
  }
})

t.test('what cannot be asked of a message lets nothing through, and harms nobody', async (t) => {
  for (const text of ['abs(name)', 'contains(headers.absent, `1`)', 'length(`1`)', 'sum(name)']) {
    t.equal(filterOf(text)(alert), false, text)
  }
  t.equal(filterOf('headers')({ name: 'a', extras: { headers: 'not a map' } }), false)
  t.equal(filterOf('name')({}), false)
  t.equal(filterOf('!name')({ name: undefined }), true)
})

t.test('what is no expression, or none of ours, is refused', async (t) => {
  const wrong = ['', '   ', 'a &&', 'a b', 'a[', 'nothing(a)', 'map(&a, b)', '[a, b]', '{a: a}',
    '$.headers', 'let $a = headers in $a', 'join(a, b)', 'pad_left(name, `1000000000`)',
    'to_string(to_string(@))', 'to_string(@) | to_string(@)', 'headers.a[?sort_by(@, &a)]',
    'zip(a, b)', 'replace(name, `"a"`, `"b"`)']
  for (const text of wrong) t.notOk(parseFilter(base64(text)).ok, text)
  for (const encoded of ['', '!', 'a', base64('name').slice(1), '/w==']) {
    t.notOk(parseFilter(encoded).ok, encoded)
  }
  const odd = 'name == `"???>>>"`'
  const url = base64(odd).replaceAll('+', '-').replaceAll('/', '_')
  t.same(parseFilter(url), { ok: true, text: odd }, 'either alphabet')
})

t.test('[25] too long, or of too many parts', async (t) => {
  const long = `name == '${'x'.repeat(limits.filterLengthMax)}'`
  t.match(parseFilter(base64(long)), { ok: false, problem: 'it is too long' })
  t.match(parseFilter(base64('x'.repeat(limits.filterLengthMax * 4))), { ok: false })
  const many = Array.from({ length: limits.filterPartsMax }, () => 'a').join('||')
  t.match(parseFilter(base64(many)), { ok: false, problem: 'it has too many parts' })
  t.match(parseFilter(base64('('.repeat(500) + 'a' + ')'.repeat(500))), { ok: true })
})

t.test('the dearest expressions on the largest headers take bounded time', async (t) => {
  const list = (depth: number): unknown => depth === 0 ? 'abc'
    : Array.from({ length: 8 }, () => list(depth - 1))
  const headers = { a: list(4), m: Object.fromEntries(Array.from({ length: 4_000 }, (_, no) =>
    [`k${no}`, { v: [no, no] }])) }
  const texts = [
    'headers.a[?[?[?[?@ == \'x\']]]]', `headers.a${'[]'.repeat(30)}`, 'headers.*.*.v[][][]',
    `headers.m.* ${'| @'.repeat(20)} | [?v[?@ == \`1\`]] | to_string(@)`,
    `headers.a | ${Array.from({ length: 6 }, () => 'sort([][][][])').join(' && ')}`
  ]
  const startMs = performance.now()
  for (const text of texts) {
    const parsed = parseFilter(base64(text))
    t.ok(parsed.ok, parsed.ok ? text : parsed.problem)
    filterOf(text)({ name: 'n', extras: { headers } })
  }
  const ms = performance.now() - startMs
  t.ok(ms < 3_000, `${ms.toFixed()} ms`)
})
