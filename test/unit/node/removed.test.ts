import t from 'tap'
import { partitionOf } from '../../../src/base/hash.ts'
import { masterOf } from '../../../src/ring/view.ts'
import { after } from '../ring/regions.ts'
import { other, peer, Rig } from './channels-rig.ts'

const removed = (incarnation: string) => ({ removed: new Map([[incarnation, 'test']]) })

t.test('[12, 13] what hands over says nothing to who is gone meanwhile', async (t) => {
  for (const isGone of [false, true]) {
    const rig = new Rig()
    const channel = rig.channelOf('n0')
    rig.join(other, channel)
    const joined = rig.sent.findLast(({ message }) => message.kind === 'joined')!.message
    rig.channels.onPeerMessage(other, {
      kind: 'publish', channel, clientId: `of ${other.incarnation}`, opNo: 1, answeredThrough: 0,
      epoch: joined.kind === 'joined' ? joined.epoch : 0,
      op: {
        id: 'a:1', idSpace: 'connection', connectionId: 'a', messageCount: 1,
        payload: new Uint8Array(10)
      }
    })
    rig.said()
    rig.channels.flush(rig.nowMs)
    rig.tell(after(rig.view, { leaving: new Set(['n0#1']) }))
    const heir = masterOf(partitionOf(channel, 16), rig.view)!.node
    if (isGone) rig.tell(after(rig.view, removed('n2#1')))
    rig.settle()
    const said = rig.said()
    t.equal(said.includes('n2 joinAgain'), !isGone, said.join(', '))
    t.ok(isGone || said.includes(`${heir} handedOver`))
  }
})

t.test('[13] a roll is answered, but not to a caller that was removed meanwhile', async (t) => {
  for (const isGone of [false, true]) {
    const rig = new Rig()
    rig.channels.onPeerMessage(peer, { kind: 'rollCalled', partition: 3, epoch: 5 })
    if (isGone) rig.tell(after(rig.view, removed('n1#1')))
    t.same(rig.settle().said(), isGone ? [] : ['n1 rollAnswered'])
  }
})
