import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { admitted, contentRefusal, grantOf } from '../../../src/session/admission.ts'
import type { Grant } from '../../../src/session/attachment.ts'
import { DEFAULT_MODE_BITS, Flag, modeNames } from '../../../src/wire/actions.ts'
import { parseChannelName } from '../../../src/wire/params.ts'
import type { Message, ProtocolMessage } from '../../../src/wire/protocol-message.ts'
import { credentials } from './session-bench.ts'

function nameOf(wire: string) {
  const parsed = parseChannelName(wire)
  if (!parsed.ok) throw new Error(parsed.error.info.message)
  return parsed.name
}

function ask(
  wire: string,
  over: Partial<ProtocolMessage> = {},
  who = credentials(),
  echoes = true
) {
  return grantOf(nameOf(wire), { action: 10, channel: wire, ...over }, who, echoes)
}

/** The modes of a grant, or the code of a refusal. */
function modes(grant: ReturnType<typeof grantOf>): string | number {
  return 'code' in grant ? grant.code : modeNames(grant.modeBits).join(' ')
}

function text(data: string, over: Partial<Message> = {}): Message {
  return { data, encoding: undefined, ...over }
}

t.test('modes are what was asked for and is allowed, never more', async (t) => {
  t.equal((ask('c') as Grant).modeBits, DEFAULT_MODE_BITS)
  t.equal(modes(ask('c', { flags: Flag.SUBSCRIBE | Flag.RESUMED })), 'subscribe')
  t.equal(modes(ask('c', { flags: Flag.SUBSCRIBE, params: { modes: 'publish' } })), 'publish')
  const reader = credentials({ 'r:*': ['subscribe'], 'w:*': ['publish'], 'o:*': ['*'] })
  t.equal(modes(ask('r:1', {}, reader)), 'subscribe presence_subscribe')
  t.equal(modes(ask('w:1', {}, reader)), 'publish')
  t.equal(modes(ask('w:1', { params: { modes: 'subscribe' } }, reader)), 40160)
  t.equal(modes(ask('x', {}, reader)), 40160)
  t.equal(modes(ask('o:1', { params: { modes: 'object_publish' } }, reader)), 'object_publish')
})

t.test('[O6] a metachannel is there to be listened to, by who may', async (t) => {
  t.equal(modes(ask('[meta]c', {}, credentials({ '[*]*': ['*'] }))), 'subscribe')
  t.equal(modes(ask('[meta]c', {}, credentials({ '[meta]c': ['subscribe'] }))), 'subscribe')
  t.equal(modes(ask('[meta]c', { flags: Flag.PUBLISH }, credentials({ '[*]*': ['*'] }))), 40160)
  t.equal(modes(ask('[meta]c', {}, credentials({ '*': ['*'] }))), 40160)
})

t.test('[O2, O4] occupancy needs channel-metadata, and says of which categories', async (t) => {
  const params = { occupancy: 'metrics.subscribers,metrics.publishers' }
  t.match(ask('c', { params }), { occupancy: 'publishers,subscribers' })
  t.match(ask('c', { params: { occupancy: 'metrics' } }), { occupancy: '' })
  t.match(ask('c'), { occupancy: undefined })
  t.equal(modes(ask('c', { params: { occupancy: 'metrics.all' } })), 40003)
  t.equal(modes(ask('c', { params }, credentials({ '*': ['subscribe'] }))), 40160)
})

t.test('a derived channel is listened to, where the capability names its kind', async (t) => {
  const name = `[filter=${Buffer.from('name == `"a"`').toString('base64')}?rewind=2]c`
  t.equal(modes(ask(name)), 40160, 'a plain resource does not reach it')
  for (const resource of ['[*]*', '[filter]*', '[filter]c', '[*]c']) {
    const grant = ask(name, {}, credentials({ [resource]: ['*'] }))
    t.match(grant, { modeBits: Flag.SUBSCRIBE, filter: 'name == `"a"`', rewind: { count: 2 } })
  }
  const reader = credentials({ '[filter]*': ['subscribe'] })
  t.equal(modes(ask(name, { params: { modes: 'presence_subscribe' } }, reader)), 40160)
  t.equal(modes(ask('[filter=x]c', {}, credentials({ '[*]*': ['*'] }))), 40010, 'not base64')
  t.equal(modes(ask('[filter=IQ==]c', {}, credentials({ '[*]*': ['*'] }))), 40010, 'not JMESPath')
})

t.test('known params are echoed, unknown ones dropped; the frame outdoes the name', async (t) => {
  const grant = ask('[?echo=false&modes=publish]c', { params: { modes: 'subscribe', odd: 'x' } })
  t.match(grant, { params: { echo: 'false', modes: 'subscribe' }, hearsItself: false })
  t.notMatch(grant, { params: { odd: 'x' } })
  t.equal(modes(grant), 'subscribe')
})

t.test('echo is heard unless the connection or the attachment says no', async (t) => {
  for (const echoes of [true, false]) {
    for (const echo of [undefined, 'true', 'false']) {
      const params = echo === undefined ? undefined : { echo }
      const grant = ask('c', { params }, credentials(), echoes) as Grant
      t.equal(grant.hearsItself, echoes && echo !== 'false', `${echoes} ${echo}`)
    }
  }
})

t.test('[4, 6] content at its bounds is let in, and one step above is not', async (t) => {
  const refusal = (messages: Message[], identity?: string) =>
    contentRefusal(messages, identity, 'c')?.code
  const max = limits.messageBytesMax
  t.equal(refusal([text('x'.repeat(max))]), undefined)
  t.equal(refusal([text('x'.repeat(max)), text('y')]), 40009, 'a publish is measured whole')
  t.equal(refusal([text('ü'.repeat(max / 2 + 1))]), 40009, 'in bytes, not letters')
  t.equal(refusal([text('', { name: 'n'.repeat(max + 1) })]), 40009)
  const many = Array.from({ length: limits.messagesPerPublishMax }, () => text(''))
  t.equal(refusal(many), undefined)
  t.equal(refusal([...many, text('')]), 40034)
  t.equal(refusal([]), 40001)
})

t.test('a message that would change another one is refused while none can', async (t) => {
  const refusal = (action: number) => contentRefusal([text('x', { action })], undefined, 'c')?.code
  t.same([0, 1, 2, 5].map(refusal), [undefined, 93002, 93002, 93002])
})

t.test('nobody publishes under a clientId that is not its own', async (t) => {
  const refusal = (identity: string | undefined, ...clientIds: (string | undefined)[]) =>
    contentRefusal(clientIds.map((clientId) => text('x', { clientId })), identity, 'c')?.code
  t.equal(refusal('me', 'me', undefined), undefined)
  t.equal(refusal('me', 'me', 'you'), 40012, 'one of several is enough')
  t.equal(refusal(undefined, 'me'), 40012)
  t.equal(refusal('*', 'me', 'you'), undefined)
  t.equal(refusal('*', '*'), 40012)
})

t.test('[16, 17] the id is the connection\'s, unless the client chose one', async (t) => {
  t.match(admitted('conn', 5, [text('x')], undefined),
    { id: 'conn:5', idSpace: 'connection', connectionId: 'conn' })
  t.match(admitted('conn', 5, [text('x', { id: 'conn:4' })], undefined),
    { id: 'conn:4', idSpace: 'client' }, 'chosen ids have a space of their own')
  t.match(admitted('conn', 5, [text('x', { id: 'b:0' }), text('y', { id: 'b:1' })], undefined),
    { id: 'b:0', idSpace: 'client' })
  t.equal(contentRefusal([text('x', { id: 'b:0' }), text('y')], undefined, 'c')?.code, 40031)
})

t.test('published is what a client has a say in, under whose name it is', async (t) => {
  const sent = text('x', {
    name: 'n', connectionId: 'other', timestamp: 1, extras: { headers: {} }, serial: 'mine'
  })
  const as = (identity: string | undefined, message = sent) =>
    admitted('conn', 0, [message], identity).messages[0]!
  t.match(as('me'), { name: 'n', data: 'x', clientId: 'me', extras: { headers: {} } })
  t.same([as('me').connectionId, as('me').timestamp], [undefined, undefined])
  t.equal(as('*').clientId, undefined)
  t.equal(as(undefined).clientId, undefined)
  t.equal(as('*', { ...sent, clientId: 'you' }).clientId, 'you')
  t.equal(sent.clientId, undefined, 'what came from the socket is left as it was')
})
