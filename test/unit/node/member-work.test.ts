import t from 'tap'
import { MemberNode } from '../../../src/node/member.ts'
import type { MemberOutput } from '../../../src/node/member-ports.ts'
import type { Member, View } from '../../../src/ring/view.ts'
import { memberNo, membersOf, viewOf } from '../ring/regions.ts'

const BEATS = 50

/** How often the members of a view of `count` are looked at while nothing happens but beats. */
function looksOf(count: number): number {
  let looks = 0
  const counting = (members: readonly Member[]): readonly Member[] => new Proxy(members, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) looks++
      return Reflect.get(target, key)
    }
  })
  const view: View = viewOf(membersOf(count), 64)
  const outputs: MemberOutput[] = []
  const machine = new MemberNode({ identity: memberNo(0), seed: 'work' }, outputs)
  let monoMs = 1_000
  const turn = (input: Parameters<MemberNode['turn']>[0]): void => {
    machine.turn(input, { monoMs, wallMs: monoMs })
  }
  turn({ kind: 'mesh', isUp: true })
  const worker = { generation: 1, isTurning: true, isMeshUp: true }
  turn({ kind: 'workers', workers: [worker, worker] })
  turn({
    kind: 'pods',
    pods: view.members.map(({ node, uid, host }) => ({
      node, uid, host, phase: 'Running', isReady: true, zone: '', isTerminating: false,
      isTerminated: false
    }))
  })
  const stored = {
    resourceVersion: '1', partitionCount: 64, view: { ...view, members: counting(view.members) }
  }
  const read = outputs.find((output) => output.kind === 'readRing')
  turn({ kind: 'ringRead', ticket: read!.ticket, reading: { outcome: 'found', stored } })
  const beat = (from: number): void => {
    const { node, uid, incarnation } = memberNo(from)
    const digests = { viewDigest: 1, generationsDigest: 1 }
    const envelope = { formatVersion: 1, viewVersion: 0, sender: { node, uid, incarnation } }
    const message = { ...envelope, ...digests, kind: 'beat' as const, beatNo: 1, workers: [] }
    turn({ kind: 'peer', message })
  }
  beat(1)
  looks = 0
  for (let at = 0; at < BEATS; at++) {
    monoMs += 10
    beat(1 + at % (count - 1))
  }
  return looks
}

t.test('what a turn costs while nothing happens does not grow with the region', async (t) => {
  const [small, big] = [looksOf(10), looksOf(500)]
  t.ok(big <= small + BEATS, `${big} looks at members among 500, ${small} among 10`)
})
