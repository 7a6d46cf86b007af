import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import type { Capability, Operation, Resource } from '../../../src/auth/capability.ts'
import {
  DEFAULT_CAPABILITY, OPERATIONS, allows, allowsEverywhere, capabilityText, intersect,
  operationsOn, parseCapability
} from '../../../src/auth/capability.ts'
import { parseChannelName } from '../../../src/wire/params.ts'

type Lists = Record<string, readonly string[]>

function parsed(source: unknown): Capability {
  const result = parseCapability(source)
  if (!result.ok) throw new Error(result.error.info.message)
  return result.capability
}

function channel(wire: string): Resource {
  const result = parseChannelName(wire)
  if (!result.ok) throw new Error(result.error.info.message)
  return result.name
}

/** The second, dumb implementation: a pattern is a regular expression over `[kind]name`. */
function dumbAllows(lists: Lists, operation: string, kind: string, name: string): boolean {
  return Object.entries(lists).some(([resource, operations]) => {
    const [, bracket, qualifier, path] = /^(\[([^\]]+)\])?(.+)$/.exec(resource)!
    const kinds = bracket === undefined ? '' : qualifier === '*' ? '[a-z]*' : qualifier
    const segments = path!.split(':').map((segment) => segment === '*' ? '[^:]*' : segment)
    if (path === '*' || path!.endsWith(':*')) segments[segments.length - 1] = '.*'
    const matches = new RegExp(`^${kinds}\\]${segments.join(':')}$`).test(`${kind}]${name}`)
    return matches && (operations.includes('*') || operations.includes(operation))
  })
}

function drawnLists(random: Random): Lists {
  const lists: Record<string, string[]> = {}
  for (let count = 1 + random.below(3); count > 0; count--) {
    const qualifier = ['', '', '', '[*]', '[meta]'][random.below(5)]!
    const segments = Array.from({ length: 1 + random.below(3) }, () => 'ab**'[random.below(4)])
    const operations = [['*'], ['publish'], ['subscribe'], ['publish', 'subscribe']]
    lists[qualifier + segments.join(':')] = operations[random.below(4)]!
  }
  return lists
}

function everyName(): string[] {
  const names: string[] = []
  let layer = ['']
  for (let length = 1; length <= 4; length++) {
    layer = layer.flatMap((name) => ['a', 'b', 'c'].map((part) => `${name}${part}:`))
    names.push(...layer.map((name) => name.slice(0, -1)))
  }
  return names
}

t.test('patterns and their intersections agree with a dumb second implementation', async t => {
  const random = new Random('capabilities')
  const resources = everyName().flatMap((name) =>
    ['', 'meta'].map((kind) => ({ kind, name, seen: channel((kind && `[${kind}]`) + name) })))
  let allowedCount = 0
  for (let turn = 0; turn < 400; turn++) {
    const [one, other] = [drawnLists(random), drawnLists(random)]
    const capability = parsed(one)
    const both = intersect(capability, parsed(JSON.stringify(other)))
    for (const { kind, name, seen } of resources) {
      for (const operation of ['publish', 'subscribe'] as const) {
        const first = dumbAllows(one, operation, kind, name)
        const wanted = first && dumbAllows(other, operation, kind, name)
        const text = `${operation} on [${kind}]${name}`
        if (allows(capability, operation, seen) !== first) {
          t.fail(`${JSON.stringify(one)}: ${text}`)
        }
        if (operationsOn(capability, seen).has(operation) !== first) {
          t.fail(`${JSON.stringify(one)}: operations, ${text}`)
        }
        if (allows(both, operation, seen) !== wanted) {
          t.fail(`${JSON.stringify(one)} ∩ ${JSON.stringify(other)}: ${text}`)
        }
        if (wanted) allowedCount++
      }
    }
  }
  t.ok(allowedCount > 1000, 'not everything was denied')
})

t.test('an intersection is a capability: written down and read again it is the same', async t => {
  const random = new Random('written')
  for (let turn = 0; turn < 500; turn++) {
    const [one, other] = [parsed(drawnLists(random)), parsed(drawnLists(random))]
    const text = capabilityText(intersect(one, other))
    t.equal(capabilityText(parsed(text)), text)
    t.equal(capabilityText(intersect(other, one)), text, 'and the order does not matter')
    t.equal(capabilityText(intersect(one, DEFAULT_CAPABILITY)),
      capabilityText(intersect(DEFAULT_CAPABILITY, one)))
  }
})

t.test('intersections take the narrower of two patterns', async t => {
  const cases: readonly [object, object, string][] = [
    [{ '*': ['*'] }, { x: ['publish'] }, '{"x":["publish"]}'],
    [{ 'a:*': ['*'] }, { '*': ['publish'] }, '{"a:*":["publish"]}'],
    [{ 'a:*': ['publish'] }, { 'a:b': ['*'] }, '{"a:b":["publish"]}'],
    [{ '*:b': ['*'] }, { 'a:*': ['*'] }, '{"a:b":["*"]}'],
    [{ a: ['publish', 'history'] }, { a: ['history', 'presence'] }, '{"a":["history"]}'],
    [{ a: ['publish'] }, { a: ['history'] }, '{}'],
    [{ a: ['*'] }, { b: ['*'] }, '{}'],
    [{ '[*]*': ['*'] }, { '[meta]log': ['subscribe'] }, '{"[meta]log":["subscribe"]}'],
    [{ '*': ['*'] }, { '[meta]log': ['subscribe'] }, '{}'],
    [{ '[*]a': ['*'] }, { '*': ['publish'] }, '{"a":["publish"]}'],
    [{ 'a:*:c': ['*'] }, { 'a:b:*': ['*'] }, '{"a:b:c":["*"]}'],
    [{ a: ['publish'], '*': ['history'] }, { a: ['*'] }, '{"a":["history","publish"]}']
  ]
  for (const [one, other, text] of cases) {
    t.equal(capabilityText(intersect(parsed(one), parsed(other))), text, JSON.stringify(one))
  }
})

t.test('a star is a segment, at the end one or more; within a word it is a letter', async t => {
  const cases: readonly [string, string, boolean][] = [
    ['*', 'a', true], ['*', 'a:b:c', true], ['a:*', 'a:b', true], ['a:*', 'a:b:c', true],
    ['a:*', 'a', false], ['a:*', 'ab', false], ['*:b', 'x:b', true], ['*:b', 'x:y:b', false],
    ['a:*:c', 'a:b:c', true], ['foo*', 'foobar', false], ['foo*', 'foo*', true],
    ['*', '[meta]log', false], ['*', '[filter=bmFtZQ==]a', false], ['*', '[?rewind=1]a', true],
    ['[*]*', '[meta]log', true], ['[*]*', 'a', true], ['[meta]*', '[meta]log', true],
    ['[meta]*', 'log', false], ['[filter]a', '[filter=bmFtZQ==]a', true], ['[*]a', 'a', true],
    ['[meta]log', '[meta?rewind=1]log', true]
  ]
  for (const [pattern, name, isAllowed] of cases) {
    const capability = parsed({ [pattern]: ['subscribe'] })
    t.equal(allows(capability, 'subscribe', channel(name)), isAllowed, `${pattern} on ${name}`)
  }
})

t.test('operations of every pattern that covers a channel add up', async t => {
  const capability = parsed({ '*': ['subscribe'], 'a:*': ['publish'], 'a:b': ['history'] })
  t.strictSame([...operationsOn(capability, channel('a:b'))].sort(),
    ['history', 'publish', 'subscribe'])
  t.strictSame([...operationsOn(capability, channel('c'))], ['subscribe'])
  t.strictSame([...operationsOn(DEFAULT_CAPABILITY, channel('c'))], [...OPERATIONS])
  t.equal(operationsOn(parsed({}), channel('c')).size, 0)
})

t.test('what is about no channel is allowed by a star alone', async t => {
  const cases: readonly [object, Operation, boolean][] = [
    [{ '*': ['*'] }, 'stats', true], [{ '*': ['stats'] }, 'stats', true],
    [{ '[*]*': ['*'] }, 'stats', true], [{ 'a:*': ['*'] }, 'stats', false],
    [{ '*': ['publish'] }, 'stats', false], [{ '[meta]*': ['*'] }, 'stats', false]
  ]
  for (const [lists, operation, isAllowed] of cases) {
    t.equal(allowsEverywhere(parsed(lists), operation), isAllowed, JSON.stringify(lists))
  }
})

t.test('the canonical text is sorted, without spaces, and reads back', async t => {
  const source = '{ "b": ["subscribe", "publish", "publish"], "10": ["*"], "2": ["stats"],' +
    ' "a:*": ["history"], "gone": null }'
  const text = '{"10":["*"],"2":["stats"],"a:*":["history"],"b":["publish","subscribe"]}'
  t.equal(capabilityText(parsed(source)), text)
  t.equal(capabilityText(parsed(text)), text)
})

t.test('what is no capability is quoted as far as an error should be long', async (t) => {
  let deep: unknown = 'x'
  for (let depth = 0; depth < 5_000; depth++) deep = [deep]
  for (const wrong of [
    { a: ['x'.repeat(10_000)] }, { ['['.repeat(10_000)]: ['publish'] }, { a: [deep] }
  ]) {
    const parsed = parseCapability(wrong)
    t.ok(!parsed.ok && parsed.error.info.message.length < 200)
  }
})

t.test('what is no capability is 40000', async t => {
  const wrong: readonly unknown[] = [
    '', '{', '[]', 'null', '"x"', 5, null, undefined, [], { a: [] }, { a: 'publish' },
    { a: ['shout'] }, { a: [1] }, { a: ['*', 'publish'] }, { '': ['*'] }, { '[meta]': ['*'] },
    { '[meta': ['*'] }, { '[]a': ['*'] },
    Object.fromEntries(Array.from({ length: 1001 }, (_none, at) => [`c${at}`, ['*']]))
  ]
  for (const source of wrong) {
    t.match(parseCapability(source), {
      ok: false, error: { info: { code: 40000, statusCode: 400 } }
    }, JSON.stringify(source)?.slice(0, 40))
  }
})
