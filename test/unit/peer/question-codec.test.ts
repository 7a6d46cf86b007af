import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import { questionMessageFields, questionMessageFrom } from '../../../src/peer/question-codec.ts'
import type { Question, QuestionMessage } from '../../../src/peer/question-message.ts'

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
  { kind: 'status' }
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
