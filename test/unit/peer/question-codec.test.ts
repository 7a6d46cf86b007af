import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import { questionMessageFields, questionMessageFrom } from '../../../src/peer/question-codec.ts'
import type { Answer, Question, QuestionMessage } from '../../../src/peer/question-message.ts'

const owner = { incarnation: 'n', worker: 0, generation: 1, claim: 2 }
const until = { lineage: 'l', seq: 1, epoch: 2, entry: 3 }
const publication = {
  seq: 1, entry: 2, id: 'i', idSpace: 'client' as const, connectionId: undefined, timestamp: 5,
  counter: 0, messageCount: 1, payload: new Uint8Array([1, 2])
}
const member = {
  connectionId: 'c', clientId: 'a', id: 'c:0:0', timestamp: 5, data: 'x', encoding: undefined,
  extras: undefined, owner
}
const occupancy = {
  connections: 1, publishers: 2, subscribers: 3, presenceConnections: 4, presenceMembers: 5,
  presenceSubscribers: 6, objectPublishers: 7, objectSubscribers: 8
}

const questions: Question[] = [
  {
    kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs: undefined,
    from: undefined, until: undefined, countMax: 3
  },
  {
    kind: 'history', of: 'presence', isBackwards: false, startMs: 0, endMs: 9,
    from: { ms: 3, counter: 4, isIncluded: true }, until, countMax: 3
  },
  {
    kind: 'presence', clientId: undefined, connectionId: undefined, after: undefined, countMax: 1,
    isExact: false
  },
  { kind: 'presence', clientId: 'a', connectionId: 'c', after: 'c:a', countMax: 1, isExact: true },
  {
    kind: 'presence', clientId: 'a', connectionId: undefined, after: undefined, countMax: 1,
    isExact: false, isOfWorld: true
  },
  { kind: 'status' },
  { kind: 'status', isOfWorld: true },
  {
    kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs: undefined,
    from: { ms: 3, counter: 4, isIncluded: true, mark: 7 }, until, countMax: 3, isOfWorld: true
  },
  {
    kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs: undefined,
    from: undefined, until, countMax: 3, isOfWorld: true, wantsLast: true
  },
  {
    kind: 'stats', unit: 'hour', startMs: 1, endMs: 2, isBackwards: true, after: undefined, limit: 3
  },
  {
    kind: 'stats', unit: 'day', startMs: 1, endMs: 2, isBackwards: false, after: '2026-01-01',
    limit: 3
  }
]

const history = {
  kind: 'history' as const, publications: [publication], lineage: 'l', isWhole: false
}
const origin = { region: 'eu', ...until }
const entries = { 'messages.inbound.rest.messages.count': 3 }
const answers: Answer[] = [
  { ...history, marks: [0] },
  { ...history, elsewhere: { origins: [origin], isExact: true, nextMs: undefined } },
  { ...history, marks: [5], elsewhere: { origins: [], isExact: false, nextMs: 9 } },
  { ...history, marks: [5], isOfLast: true },
  { ...history, elsewhere: { origins: [], isExact: false, nextMs: 9 }, isOfLast: true },
  { kind: 'status', occupancy, elsewhere: { eu: 2, us: 1 } },
  { kind: 'status', occupancy, elsewhere: {} },
  { kind: 'stats', intervals: [{ id: '2026', entries }], hasMore: true, lastMinuteMs: 5 },
  { kind: 'stats', intervals: undefined, hasMore: false, lastMinuteMs: undefined }
]

const messages: QuestionMessage[] = [
  ...questions.map((question) => ({ kind: 'ask' as const, channel: 'app/c', askNo: 1, question })),
  {
    kind: 'answered', channel: 'app/c', askNo: 1,
    answer: { kind: 'history', publications: [publication], lineage: 'l', isWhole: false }
  },
  {
    kind: 'answered', channel: 'app/c', askNo: 1,
    answer: { kind: 'history', publications: undefined, lineage: 'l', isWhole: true }
  },
  {
    kind: 'answered', channel: 'app/c', askNo: 1,
    answer: { kind: 'presence', members: [member], isWhole: true }
  },
  { kind: 'answered', channel: 'app/c', askNo: 1, answer: { kind: 'status', occupancy } },
  ...answers.map((answer) => ({
    kind: 'answered' as const, channel: 'app/c', askNo: 1, answer
  })),
  { kind: 'enumerate', askNo: 1, prefix: 'app/', after: 'app/a', countMax: 3 },
  { kind: 'enumerated', askNo: 1, channels: ['app/b'], isWhole: false }
]

t.test('questions and answers are what they were after the mesh', async (t) => {
  for (const message of messages) {
    const fields = decode(encode(questionMessageFields(message))) as unknown[]
    t.same(questionMessageFrom(message.kind, fields), message)
  }
  t.throws(() => questionMessageFrom('ask', ['c', 1, [99]]), /unknown question/)
  t.throws(() => questionMessageFrom('answered', ['c', 1, [99]]), /unknown answer/)
})
