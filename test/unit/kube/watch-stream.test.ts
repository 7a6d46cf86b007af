import t from 'tap'
import { watchStreamOf } from '../../../src/kube/watch-stream.ts'

const line = (type: string, name: string) =>
  JSON.stringify({ type, object: { kind: 'Pod', metadata: { name } } })

function streamOf (chunks: Array<string | Buffer>) {
  let isAborted = false
  async function * body () {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  const stream = watchStreamOf({
    status: 200, headers: {}, body: body(), abort: () => { isAborted = true }
  })
  return { stream, isAborted: () => isAborted }
}

async function namesOf (chunks: Array<string | Buffer>): Promise<string[]> {
  const names: string[] = []
  for await (const { type, object } of streamOf(chunks).stream) {
    names.push(`${type} ${object.metadata.name}`)
  }
  return names
}

t.test('lines are found whatever the chunks, in the middle of a character too', async t => {
  const text = `${line('ADDED', 'grün')}\n${line('MODIFIED', 'b')}\n\n${line('DELETED', 'c')}\n`
  const bytes = Buffer.from(text)
  const expected = ['ADDED grün', 'MODIFIED b', 'DELETED c']
  t.same(await namesOf([text]), expected)
  for (const size of [1, 7, 50]) {
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
    t.same(await namesOf(chunks), expected, `in chunks of ${size} bytes`)
  }
})

t.test('a last line that was cut off is not an event', async t => {
  t.same(await namesOf([`${line('ADDED', 'a')}\n${line('ADDED', 'b').slice(0, 20)}`]), ['ADDED a'])
})

t.test('an ERROR line is thrown with the server\'s status', async t => {
  const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }
  const chunks = [`${JSON.stringify({ type: 'ERROR', object: status })}\n`]
  await t.rejects(namesOf(chunks), { status: 410, reason: 'Expired', message: 'too old' })
})

t.test('what is no watch line is a bad answer, told so', async t => {
  await t.rejects(namesOf(['<html>\n']), { reason: 'BadAnswer', message: /not JSON/ })
  await t.rejects(namesOf(['{"type":"ADDED"}\n']), { reason: 'BadAnswer', message: /no object/ })
  await t.rejects(namesOf([`${line('RENAMED', 'a')}\n`]), { message: /unknown type "RENAMED"/ })
  const endless = Array.from({ length: 17 }, () => 'x'.repeat(1024 * 1024))
  await t.rejects(namesOf(endless), { reason: 'BadAnswer', message: /never ends/ })
})

t.test('closing ends iteration and exchange; a natural end keeps the connection', async t => {
  const closed = streamOf([`${line('ADDED', 'a')}\n${line('ADDED', 'b')}\n`])
  const names: string[] = []
  for await (const { object } of closed.stream) {
    names.push(object.metadata.name ?? '')
    closed.stream.close()
  }
  t.same(names, ['a'])
  t.equal(closed.isAborted(), true)
  const ended = streamOf([`${line('ADDED', 'a')}\n`])
  for await (const event of ended.stream) t.equal(event.type, 'ADDED')
  t.equal(ended.isAborted(), false)
})
