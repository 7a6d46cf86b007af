import t from 'tap'
import { queryOf, readRequest, wantedFormat } from '../../../src/node/request.ts'

function pathOf(target: string): readonly string[] | number {
  const read = readRequest({ method: 'GET', target, headers: {}, body: undefined, isTls: false })
  return read.ok ? read.request.path : read.error.info.code
}

t.test('paths are split, then decoded, once', async (t) => {
  const rows: [string, readonly string[] | number][] = [
    ['/', []],
    ['/channels/a/messages', ['channels', 'a', 'messages']],
    ['http://some.host:80/channels/a?limit=1', ['channels', 'a']],
    ['HTTPS://some.host', []],
    ['/http://x/a', ['http:', '', 'x', 'a']],
    ['/channels/a/messages/?limit=1', ['channels', 'a', 'messages']],
    ['/channels/a%2Fb%20c/messages', ['channels', 'a/b c', 'messages']],
    ['/channels/100%2525/messages', ['channels', '100%25', 'messages']],
    ['/channels/a+b', ['channels', 'a+b']],
    ['/channels/%22%27%3F%23%5B%5D', ['channels', '"\'?#[]']],
    ['/channels/%E4%BD%A0%F0%9F%8E%88', ['channels', '你🎈']],
    ['/channels/%zz', 40000],
    ['/channels/%e4%bd', 40000]
  ]
  for (const [target, path] of rows) t.same(pathOf(target), path, target)
})

t.test('queries are forms, but a key holds no space', async (t) => {
  const query = queryOf('/x?a=1+2&a=3&b=%2B&key=a.b:c+d&empty=')
  t.same([...query], [['a', '1 2'], ['b', '+'], ['key', 'a.b:c+d'], ['empty', '']])
})

t.test('Accept wins, and in it the one that is wanted most, the first of equal ones', async (t) => {
  const rows: [string | undefined, string, string][] = [
    [undefined, '/x', 'json'],
    [undefined, '/x?format=msgpack', 'msgpack'],
    [undefined, '/x?format=html', 'json'],
    ['*/*', '/x?format=msgpack', 'msgpack'],
    ['application/json', '/x?format=msgpack', 'json'],
    ['application/x-msgpack,application/json', '/x', 'msgpack'],
    ['text/html, application/json;q=0.9, application/x-msgpack', '/x', 'msgpack'],
    ['application/x-msgpack; q=0, application/json;q=0.1', '/x', 'json'],
    ['application/x-msgpack;q=0', '/x?format=json', 'json']
  ]
  for (const [accept, target, format] of rows) {
    t.equal(wantedFormat({ accept }, queryOf(target)), format, `${accept} ${target}`)
  }
})
