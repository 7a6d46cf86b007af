import t from 'tap'
import { DEFAULT_MODE_BITS, Flag, modeNames, modesFromNames } from '../../../src/wire/actions.ts'
import {
  parseChannelName, parseChannelParams, parseConnectParams
} from '../../../src/wire/params.ts'

function connect(query: string) {
  return parseConnectParams(new URLSearchParams(query))
}

t.test('a connect without params is JSON, echoing, with heartbeats', async t => {
  t.match(connect(''), {
    ok: true,
    params: { format: 'json', echo: true, heartbeats: true, key: undefined, clientId: undefined }
  })
})

t.test('the params of a connect are read', async t => {
  t.match(connect('key=a.b:c&clientId=me&format=msgpack&heartbeats=false&echo=false&v=6&' +
    'agent=ably-js%2F2.28.0&resume=r&recover=x&remainPresentFor=100&whatever=1'), {
    ok: true,
    params: {
      key: 'a.b:c', clientId: 'me', format: 'msgpack', heartbeats: false, echo: false, version: 6,
      agent: 'ably-js/2.28.0', resume: 'r', recover: 'x', remainPresentForMs: 100
    }
  })
})

t.test('a token is taken under either name', async t => {
  t.match(connect('access_token=t.1'), { params: { accessToken: 't.1' } })
  t.match(connect('accessToken=t.1'), { params: { accessToken: 't.1' } })
})

t.test('versions 2 to 6 are spoken, none at all is taken for 2, others are 40017', async t => {
  t.match(connect(''), { ok: true, params: { version: 2 } })
  for (const v of [2, 3, 4, 5, 6]) t.match(connect(`v=${v}`), { ok: true, params: { version: v } })
  for (const v of ['1', '1.2', '0', '7', 'x', '-2', '2.0']) {
    t.match(connect(`v=${v}`), {
      ok: false, error: { scope: 'connection', info: { code: 40017, statusCode: 400 } }
    }, v)
  }
})

t.test('wrong values in a connect are refused by name', async t => {
  t.match(connect('format=xml'), { error: { scope: 'connection', info: { code: 40003 } } })
  t.match(connect('remainPresentFor=soon'), { error: { info: { code: 40003 } } })
  t.match(connect('clientId=*'), { error: { info: { code: 40012 } } })
})

t.test('names are taken as they are written', async t => {
  const right = ['a', 'a:b', 'a::b', 'a:', '"/?% \u{1f600}', '*', 'a[b]', ' ', 'a.b', '...', '.a',
    'a/...', 'a./b', 'a..b/c']
  for (const wire of right) {
    t.strictSame(parseChannelName(wire), { ok: true, name: { wire, base: wire } }, wire)
  }
})

t.test('names that are none are 40010 for their channel', async t => {
  const wrong = ['', ':', ':a', '::a', '[', '[a', '[]a', '[a]b', '[meta]', '[?rewind=1]', '[?]:a',
    '[?rewind=1][meta]a', '[filter=]a', '[filter=!]a', '[filter]a', '[*]a', '\ud800',
    'x'.repeat(2049), '..', '.', '../a', 'a/../b', 'a/..', './a', 'a/./b', '..\\a', '[meta]..']
  for (const wire of wrong) {
    const expected = { ok: false, error: { scope: 'channel', info: { code: 40010 } } }
    t.match(parseChannelName(wire), expected, wire.slice(0, 30))
  }
})

t.test('a qualifier is taken off the base and kept in the name on the wire', async t => {
  const cases: readonly [string, string, object][] = [
    ['[?rewind=1&delta=vcdiff]a:b', 'a:b',
      { params: new Map([['rewind', '1'], ['delta', 'vcdiff']]) }],
    ['[meta]log', 'log', { params: new Map(), meta: true }],
    ['[meta?rewind=5]stats:minute', 'stats:minute',
      { params: new Map([['rewind', '5']]), meta: true }],
    ['[filter=bmFtZQ==]a', 'a', { params: new Map(), filter: 'bmFtZQ==' }],
    ['[filter=bm/+?rewind=1]a]b', 'a]b', { params: new Map([['rewind', '1']]), filter: 'bm/+' }]
  ]
  for (const [wire, base, qualifier] of cases) {
    t.strictSame(parseChannelName(wire), { ok: true, name: { wire, base, qualifier } }, wire)
  }
})

t.test('without modes one gets the usual ones; flags name others; the param decides', async t => {
  t.match(parseChannelParams({}, undefined, Flag.ATTACH_RESUME), { modeBits: DEFAULT_MODE_BITS })
  t.match(parseChannelParams({}, undefined, Flag.SUBSCRIBE | Flag.RESUMED), {
    modeBits: Flag.SUBSCRIBE
  })
  const params = { modes: 'publish,presence_subscribe' }
  t.match(parseChannelParams(params, undefined, Flag.SUBSCRIBE), {
    modeBits: Flag.PUBLISH | Flag.PRESENCE_SUBSCRIBE, params
  })
})

t.test('known params are echoed as written, unknown ones are dropped', async t => {
  const params = { rewind: '10s', delta: 'vcdiff', occupancy: 'metrics', echo: 'false',
    rewindLimit: '20', agent: 'x/1', mystery: '1' }
  t.match(parseChannelParams(params, undefined, 0), {
    ok: true,
    params: { rewind: '10s', delta: 'vcdiff', occupancy: 'metrics', echo: 'false',
      rewindLimit: '20', agent: undefined, mystery: undefined },
    rewind: { count: 20, forMs: 10000 }, delta: 'vcdiff', occupancy: [], echo: false
  })
})

t.test('params of the attach have precedence over those in the name', async t => {
  const inName = new Map([['rewind', '1'], ['delta', 'vcdiff']])
  t.match(parseChannelParams({ rewind: '2' }, inName, 0), {
    params: { rewind: '2', delta: 'vcdiff' }, rewind: { count: 2 }
  })
  t.match(parseChannelParams(undefined, inName, 0), { rewind: { count: 1 } })
})

t.test('rewind is a count, seconds or minutes; counts are capped', async t => {
  const cases: readonly [string, string | undefined, object][] = [
    ['1', undefined, { count: 1 }],
    ['500', undefined, { count: 100 }],
    ['0', undefined, { count: 0 }],
    ['15s', undefined, { count: 100, forMs: 15000 }],
    ['2m', undefined, { count: 100, forMs: 120000 }],
    ['2m', '7', { count: 7, forMs: 120000 }],
    ['2m', '700', { count: 100, forMs: 120000 }],
    ['9', '7', { count: 9 }]
  ]
  for (const [rewind, rewindLimit, expected] of cases) {
    const params: Record<string, string> = { rewind }
    if (rewindLimit !== undefined) params['rewindLimit'] = rewindLimit
    const parsed = parseChannelParams(params, undefined, 0)
    t.same(parsed.ok && parsed.rewind, expected, `${rewind} ${rewindLimit}`)
  }
})

t.test('values that make no sense are 40003 for their channel', async t => {
  const wrong: readonly [string, string][] = [
    ['rewind', 'foo'], ['rewind', ''], ['rewind', '-1'], ['rewind', '1h'], ['rewind', '1.5'],
    ['rewindLimit', '0'], ['rewindLimit', 'x'], ['delta', 'xdelta'], ['occupancy', 'all'],
    ['occupancy', 'metrics.'], ['echo', 'no'], ['objects', 'x'], ['modes', 'shout'],
    ['modes', ''], ['modes', 'publish,,subscribe']
  ]
  for (const [name, value] of wrong) {
    const expected = { ok: false, error: { scope: 'channel', info: { code: 40003 } } }
    t.match(parseChannelParams({ [name]: value }, undefined, 0), expected, `${name}=${value}`)
  }
})

t.test('occupancy may name its categories', async t => {
  const occupancy = 'metrics.publishers,metrics.subscribers'
  t.match(parseChannelParams({ occupancy }, undefined, 0), {
    occupancy: ['publishers', 'subscribers']
  })
})

t.test('modes have names, in the order of their bits, in either case', async t => {
  const names = ['presence', 'publish', 'subscribe', 'presence_subscribe', 'annotation_publish',
    'annotation_subscribe', 'object_subscribe', 'object_publish']
  const bits = modesFromNames(names.map((name) => name.toUpperCase())) ?? 0
  t.strictSame(modeNames(bits | Flag.RESUMED), names)
  t.equal(bits, 65536 + 131072 + 262144 + 524288 + 2097152 + 4194304 + 16777216 + 33554432)
})
