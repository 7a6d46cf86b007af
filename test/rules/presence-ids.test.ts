import { until } from '../support/ably-clients.ts'
import type { PlainSocket, Told } from '../support/plain-socket.ts'
import { attached, events, facts, pair, PRESENCE, said, SYNC } from './support/present.ts'
import { ruleFile } from './support/rule.ts'

const ENTER = 2
const LEAVE = 3
const UPDATE = 4
const ACK = 1

ruleFile('presence-ids', (rule) => {
  rule('M12', 'an ENTER with the id that is known; an id that its client chose', async (t, on) => {
    const name = on.name('again')
    const [speaker, watcher] = await pair(t, on, name)
    const enter = { action: ENTER, clientId: 'ann', data: 'x' }
    await said(speaker!, name, 0, [enter])
    await until('the enter', () => events(watcher!).length > 0)
    const { id } = events(watcher!)[0]!
    const again = await said(speaker!, name, 1, [{ ...enter, id }])
    t.match(again, { action: ACK, msgSerial: 1 })
    const chosen = `${id!.split(':')[0]}:7:3`
    await said(speaker!, name, 2, [{ action: ENTER, clientId: 'bob', id: chosen }])
    await until('the second', () => events(watcher!).length > 1)
    t.same(events(watcher!).map((each) => [each.clientId, each.id]), [['ann', id], ['bob', chosen]])
    const late = await on.socket(t, 1)
    late.send({ action: 10, channel: name })
    const sync = await late.next(({ action }) => action === SYNC)
    const first = watcher!.all.find(({ action }) => action === PRESENCE)!
    const ann = sync.presence!.find(({ clientId }) => clientId === 'ann')!
    t.equal(ann['id'], id)
    const saidAt = first.presence![0]!['timestamp'] ?? (first as { timestamp?: number }).timestamp
    const shownAt = ann['timestamp'] ?? (sync as { timestamp?: number }).timestamp
    t.equal(shownAt, saidAt, 'it is as old as it was')
  })

  rule('M12', 'what is older than the member is ACKed, and heard by nobody', async (t, on) => {
    const name = on.name('older')
    const [speaker, watcher] = await pair(t, on, name)
    const { connectionId } = speaker!.all[0]!
    let msgSerial = 0
    const say = async (action: number, id: string, data: string): Promise<void> => {
      const item = { action, clientId: 'ann', id: `${connectionId}:${id}`, data }
      t.equal((await said(speaker!, name, msgSerial++, [item])).action, ACK, data)
    }
    await say(ENTER, '10:3', 'first')
    await say(ENTER, '10:2', 'an ENTER of an older index')
    await say(UPDATE, '9:7', 'an UPDATE of an older frame')
    await say(LEAVE, '10:2', 'a LEAVE of an older index')
    await say(LEAVE, '9:7', 'a LEAVE of an older frame')
    const present = async (data: string): Promise<void> => {
      const late = await on.socket(t, 1)
      late.send({ action: 10, channel: name })
      t.match(facts(await late.next(({ action }) => action === SYNC)), { clientId: 'ann', data })
    }
    await present('first')
    await say(ENTER, '10:11', 'again')
    await present('again')
    await say(UPDATE, '11:0', 'changed')
    await say(LEAVE, '12:0', 'left')
    await until('the leave', () => events(watcher!).some(({ action }) => action === LEAVE))
    t.same(events(watcher!).map(({ action, data }) => [action, data]),
      [[ENTER, 'first'], [ENTER, 'again'], [UPDATE, 'changed'], [LEAVE, 'left']])
  })

  rule('M22', 'its own leave, and those that are decided for it', async (t, on) => {
    const name = on.name('ids')
    const watcher = await on.socket(t, 2)
    await attached(watcher, name)
    const speaker = await on.socket(t, 1)
    await attached(speaker, name)
    await said(speaker, name, 0, [{ action: ENTER, clientId: 'ann' }])
    await said(speaker, name, 1, [{ action: LEAVE, clientId: 'ann' }])
    for (const msgSerial of [0, 1]) {
      const own = await watcher.next(({ action }) => action === PRESENCE)
      t.equal(idOf(own), `${speaker.all[0]!.connectionId}:${msgSerial}:0`)
    }
    const ends: [string, (socket: PlainSocket) => unknown][] = [
      ['lost', (socket) => socket.cut()],
      ['closed', (socket) => socket.send({ action: 7 })],
      ['detached', (socket) => socket.send({ action: 12, channel: name })]
    ]
    for (const [clientId, end] of ends) {
      const params = { clientId, remainPresentFor: '100' }
      const socket = await on.socket(t, 0, { params })
      await attached(socket, name)
      const { connectionId } = socket.all[0]!
      await said(socket, name, 0, [{ action: ENTER, data: 'x' }])
      const enter = await watcher.next(({ action }) => action === PRESENCE)
      t.equal(idOf(enter), `${connectionId}:0:0`)
      end(socket)
      const leave = await watcher.next(({ action }) => action === PRESENCE)
      t.match(facts(leave), { clientId, connectionId, data: 'x' })
      t.match(idOf(leave), /^[^:]+:\d+:\d+$/)
      t.not(idOf(leave).split(':')[0], connectionId, `${clientId}: of nobody's connection`)
      t.ok(timeOf(leave) >= timeOf(enter), 'so clients go by the time')
    }
  })
})

function idOf(told: Told): string {
  const { id } = facts(told) as { id: string }
  return id.split(':').length === 3 ? id : `${id}:0`
}

function timeOf(told: Told): number {
  return (facts(told) as { timestamp: number }).timestamp
}
