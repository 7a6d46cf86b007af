import t from 'tap'
import { parseCapability } from '../../../src/auth/capability.ts'
import { limits } from '../../../src/base/limits.ts'
import { AtOnce } from '../../../src/node/at-once.ts'
import { Call, type Caller, type Reply } from '../../../src/node/call.ts'
import type { Questions } from '../../../src/node/questions.ts'
import type { RequestPorts } from '../../../src/node/request-ports.ts'
import { listChannels } from '../../../src/node/rest-channels.ts'

t.test('an app has a few enumerations at once, and others when they are over', async (t) => {
  const parsed = parseCapability({ '*': ['channel-metadata'] })
  if (!parsed.ok) throw new Error('no capability')
  const answers: (() => void)[] = []
  const questions = {
    regions: [], absent: [],
    places: () => [{ incarnation: 'a', worker: 0 }],
    enumerate: (_: unknown, __: unknown, ___: unknown, onAnswer: (answer: object) => void) =>
      void answers.push(() => onAnswer({ channels: [], isWhole: true }))
  } as unknown as Questions
  const enumerations = new AtOnce(limits.enumerationsPerAppMax)
  const ports = { questions, enumerations } as unknown as RequestPorts
  const list = (appId: string): Reply[] => {
    const replies: Reply[] = []
    const caller = { credentials: { appId, capability: parsed.capability } } as Caller
    const request = {
      method: 'GET', path: ['channels'], query: new Map(), headers: {}, body: undefined,
      isTls: false
    }
    const call = new Call(request, { params: [], version: 6, caller }, (reply) =>
      void replies.push(reply))
    listChannels(call, ports)
    return replies
  }
  const first = Array.from({ length: limits.enumerationsPerAppMax }, () => list('a'))
  t.match(list('a'), [{ statusCode: 429, value: { error: { code: 42912 } } }])
  t.same(first.flat(), [])
  const other = list('b')
  for (const answer of answers.splice(0)) answer()
  t.match(other, [{ statusCode: 200, value: [] }])
  t.match(first, first.map(() => [{ statusCode: 200 }]))
  const later = list('a')
  for (const answer of answers) answer()
  t.match(later, [{ statusCode: 200 }])
})
