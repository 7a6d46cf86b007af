import type { Test } from 'tap'
import { until } from '../support/ably-clients.ts'
import type { PlainSocket } from '../support/plain-socket.ts'
import { jwtOf } from '../support/tokens.ts'
import { ruleFile, type Stage } from './support/rule.ts'
import { settled } from './support/attach.ts'
import {
  attached, events, facts, HAS_PRESENCE, type Item, pair, PRESENCE, Present, said, SYNC
} from './support/present.ts'

const ENTER = 2
const LEAVE = 3
const UPDATE = 4
const AUTH = 17
const ACK = 1
const MANY = 10_000
const ROOM = { limits: { presence: { maxMembers: 20_000 } } }

/** `count` members of one channel, by ten connections of one node, a thousand with each frame. */
async function enterMany(
  t: Test, on: Stage, key: string, channel: string
): Promise<PlainSocket[]> {
  const sockets: PlainSocket[] = []
  const mode = 1 << 16
  for (let no = 0; no < MANY / 1_000; no++) {
    const socket = await on.socket(t, 0, { params: { key } })
    await attached(socket, channel, { flags: mode })
    const presence = Array.from({ length: 1_000 }, (_, at) =>
      ({ action: ENTER, clientId: `m${no * 1_000 + at}`, data: 'here' }))
    t.equal((await said(socket, channel, 0, presence)).action, ACK)
    sockets.push(socket)
  }
  return sockets
}

async function watch(t: Test, on: Stage, key: string, channel: string, node = 2): Promise<{
  readonly socket: PlainSocket
  readonly present: Present
}> {
  const socket = await on.socket(t, node, { params: { key } })
  const present = new Present(socket, channel)
  socket.send({ action: 10, channel })
  return { socket, present }
}

ruleFile('presence-wire', (rule) => {
  rule('M11', 'UPDATE of nobody, LEAVE of nobody', async (t, on) => {
    const name = on.name('nobody')
    const [speaker, watcher] = await pair(t, on, name)
    const leave = await said(speaker!, name, 0, [{ action: LEAVE, clientId: 'ann' }])
    t.match(leave, { action: ACK, msgSerial: 0, count: 1 })
    const update = await said(speaker!, name, 1, [{ action: UPDATE, clientId: 'ann', data: 'x' }])
    t.equal(update.action, ACK)
    await until('the update', () => events(watcher!).length > 0)
    t.match(events(watcher!), [{ clientId: 'ann', data: 'x' }], 'the leave was heard by nobody')
    t.ok([ENTER, UPDATE].includes(events(watcher!)[0]!.action))
    const late = await watch(t, on, on.key, name)
    await late.present.synced()
    t.same([...late.present.clientIds], ['ann'])
  })

  rule('M13', 'several entries in one frame', async (t, on) => {
    const name = on.name('several')
    const [speaker, watcher] = await pair(t, on, name)
    const answer = await said(speaker!, name, 0, [
      { action: ENTER, clientId: 'ann' },
      { action: ENTER, clientId: 'bob' },
      { action: UPDATE, clientId: 'ann', data: 'y' },
      { action: LEAVE, clientId: 'bob' }
    ])
    t.match(answer, { action: ACK, msgSerial: 0, count: 1 })
    await until('all four', () => events(watcher!).length === 4)
    t.same(events(watcher!).map((each) => [each.action, each.clientId, each.id?.split(':')[2]]), [
      [ENTER, 'ann', '0'], [ENTER, 'bob', '1'], [UPDATE, 'ann', '2'], [LEAVE, 'bob', '3']
    ])
    const late = await watch(t, on, on.key, name)
    await late.present.synced()
    t.same([...late.present.clientIds], ['ann'])
  })

  rule('M13', 'one of them is refused: none is taken', async (t, on) => {
    const name = on.name('none-of-them')
    const [speaker, watcher] = await pair(t, on, name, { clientId: 'ann' })
    const mixed = [{ action: ENTER }, { action: ENTER, clientId: 'bob' }]
    t.equal((await said(speaker!, name, 0, mixed)).error?.code, 40012)
    t.equal((await said(speaker!, name, 1, [{ action: 1 }])).error?.code, 40001)
    t.equal((await said(speaker!, name, 2, [])).error?.code, 40001)
    const many = Array.from({ length: 1_001 }, () => ({ action: ENTER }))
    t.match((await said(speaker!, name, 3, many)).error, { code: 40034, statusCode: 400 })
    await said(speaker!, name, 4, [{ action: ENTER, data: 'last' }])
    await until('the enter', () => events(watcher!).length > 0)
    t.match(events(watcher!), [{ clientId: 'ann', data: 'last' }])
  })

  rule('M14', 'anonymous, and not attached', async (t, on) => {
    const name = on.name('anonymous')
    const [speaker] = await pair(t, on, name)
    const anonymous = await said(speaker!, name, 0, [{ action: ENTER }])
    t.match(anonymous.error, { code: 91000, statusCode: 400 })
    const elsewhere = await said(speaker!, on.name('elsewhere'), 1,
      [{ action: ENTER, clientId: 'ann' }])
    t.match(elsewhere.error, { code: 91001, statusCode: 400 })
  })

  rule('M14', 'said again after a resume, before the channel is attached again', async (t, on) => {
    const name = on.name('again')
    const params = { clientId: 'ann', remainPresentFor: '4000' }
    const [speaker, watcher] = await pair(t, on, name, params)
    const stays = [{ action: ENTER, data: 'x' }]
    t.equal((await said(speaker!, name, 0, stays)).action, ACK)
    await until('she enters', () => events(watcher!).length === 1)
    let former = speaker!
    const resumed = async (node: number): Promise<PlainSocket> => {
      former.cut()
      const resume = former.all[0]!.connectionDetails!['connectionKey'] as string
      former = await on.socket(t, node, { params: { ...params, resume } })
      t.equal(former.all[0]!.connectionId, speaker!.all[0]!.connectionId)
      return former
    }
    const back = await resumed(1)
    t.equal((await said(back, name, 0, stays)).action, ACK)
    t.match((await said(back, name, 1, stays)).error, { code: 91001 }, 'what is new is not')
    await attached(back, name)
    t.equal((await said(back, name, 2, [{ action: UPDATE, data: 'y' }])).action, ACK)
    await until('her update', () => events(watcher!).length === 2)
    const away = await resumed(0)
    t.equal((await said(away, name, 2, [{ action: UPDATE, data: 'y' }])).action, ACK)
    await until('she leaves', () => events(watcher!).some(({ action }) => action === LEAVE))
    t.same(events(watcher!).map(({ action }) => action), [ENTER, UPDATE, LEAVE])
  })

  rule('M15', 'nobody, one page, several pages', async (t, on) => {
    const name = on.name('pages')
    await settled(t, on, name)
    const [speaker] = await pair(t, on, name)
    const { socket: lonely } = await watch(t, on, on.key, name)
    const alone = await lonely.next(({ action }) => action === 11)
    t.equal(alone.flags! & HAS_PRESENCE, 0)
    await on.client(t, 1).channels.get(name).publish('n', 'x')
    await lonely.next(({ action }) => action === 15)
    t.notOk(lonely.all.some(({ action }) => action === SYNC), 'of nobody nothing is told')
    const enter = (from: number, to: number): Item[] => Array.from({ length: to - from },
      (_, no) => ({ action: ENTER, clientId: `m${from + no}` }))
    await said(speaker!, name, 0, enter(0, 5))
    const few = await watch(t, on, on.key, name)
    const first = await few.socket.next(({ action }) => action === 11)
    t.ok((first.flags! & HAS_PRESENCE) !== 0)
    await few.present.synced()
    t.same([few.present.pageCount, few.present.syncIds], [1, ['']], 'one page without a cursor')
    await said(speaker!, name, 1, enter(5, 250))
    const many = await watch(t, on, on.key, name)
    await many.present.synced()
    t.same([many.present.pageCount, many.present.clientIds.size], [3, 250])
    t.same([...few.present.problems, ...many.present.problems], [])
  })

  rule('M15', 'after a start: perhaps somebody, and then nobody', async (t, on) => {
    const socket = await on.socket(t, 2)
    let name = ''
    // Each part of the ring has its own master, and those in use know already.
    for (let no = 0, flags = 0; (flags & HAS_PRESENCE) === 0; no++) {
      if (no === 150) throw new Error('every master knows who is present')
      name = on.name(`fresh${no}`)
      flags = (await attached(socket, name)).flags!
    }
    const sync = await socket.next(({ action }) => action === SYNC)
    t.same([sync.channel, sync.presence, sync.channelSerial], [name, [], undefined])
    const later = await on.socket(t, 0)
    t.equal((await attached(later, name)).flags! & HAS_PRESENCE, 0, 'now it is known')
    await said(socket, name, 0, [{ action: ENTER, clientId: 'ann' }])
    await later.next(({ action }) => action === PRESENCE)
    t.notOk(later.all.some(({ action }) => action === SYNC))
  })

  rule('M16', '10,000 members are whole for who comes later', async (t, on) => {
    const { keys } = await on.app({ keys: [{}], ...ROOM })
    const [key, name] = [keys[0]!, on.name('ten-thousand')]
    const [speaker] = await enterMany(t, on, key, name)
    const late = await watch(t, on, key, name)
    await late.present.synced()
    t.equal(late.present.clientIds.size, MANY)
    // Whoever comes while others enter and leave is told neither too much nor too little.
    const moving = (async () => {
      for (let no = 0; no < 20; no++) {
        const presence = Array.from({ length: 10 }, (_, at) => [
          { action: LEAVE, clientId: `m${no * 10 + at}` },
          { action: ENTER, clientId: `new${no * 10 + at}` }
        ]).flat()
        await said(speaker!, name, no + 1, presence)
      }
      await said(speaker!, name, 21, [{ action: LEAVE, clientId: 'm200' }])
    })()
    const watchers = []
    for (let no = 0; no < 6; no++) {
      const watcher = await watch(t, on, key, name, 1 + no % 2)
      await watcher.present.synced()
      watchers.push(watcher)
    }
    await moving
    const wanted = [
      ...Array.from({ length: MANY - 201 }, (_, no) => `m${no + 201}`),
      ...Array.from({ length: 200 }, (_, no) => `new${no}`)
    ].sort()
    for (const { present } of [late, ...watchers]) {
      await present.become(MANY - 1)
      t.ok([...present.clientIds].sort().every((each, no) => each === wanted[no]))
      t.same(present.problems, [])
    }
  })

  rule('M16', 'who reads slowly is told the whole, too', async (t, on) => {
    const { keys } = await on.app({ keys: [{}], ...ROOM })
    const [key, name] = [keys[0]!, on.name('slow')]
    const [speaker] = await enterMany(t, on, key, name)
    const slow = await watch(t, on, key, name)
    await slow.present.synced()
    const small = on.name('small')
    await attached(speaker!, small)
    await said(speaker!, small, 1, [{ action: ENTER, clientId: 'ann' }])
    slow.socket.pause()
    // More than sockets and the system hold between them, so that what comes next has to wait.
    for (let no = 0; no < 25; no++) {
      slow.socket.send({ action: SYNC, channel: name })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await said(speaker!, name, 2, [{ action: LEAVE, clientId: 'm0' }])
    slow.socket.send({ action: 10, channel: small })
    await new Promise((resolve) => setTimeout(resolve, 200))
    slow.socket.resume()
    const held = await slow.socket.next((told) => told.action === SYNC && told.channel === small)
    t.equal(held.presence!.length, 1)
    await slow.present.become(MANY - 1)
    const count = slow.present.read()
    t.ok(count < 20, 'what was asked for while it waited is told once')
    t.notOk(slow.socket.isEnded)
    t.same(slow.present.problems, [])
  })

  rule('M17', 'a SYNC that is asked for, with a cursor or without', async (t, on) => {
    const name = on.name('asked')
    const [speaker] = await pair(t, on, name)
    await said(speaker!, name, 0, Array.from({ length: 250 }, (_, no) =>
      ({ action: ENTER, clientId: `m${no}` })))
    const { socket, present } = await watch(t, on, on.key, name)
    await present.synced()
    const cursor = socket.all.find(({ action }) => action === SYNC)!.channelSerial
    for (const channelSerial of [undefined, cursor, 'no-such:7']) {
      const count = present.syncIds.length
      socket.send({ action: SYNC, channel: name, channelSerial })
      await present.synced(count + 1)
      t.same([present.clientIds.size, present.pageCount], [250, 3 * (count + 1)])
    }
    t.same(present.problems, [])
  })

  rule('M17', 'who may not hear of the others, or is not attached, is told nothing',
    async (t, on) => {
      const name = on.name('unasked')
      const [speaker] = await pair(t, on, name)
      await said(speaker!, name, 0, [{ action: ENTER, clientId: 'ann' }])
      const deaf = await on.socket(t, 1)
      deaf.send({ action: SYNC, channel: name })
      await attached(deaf, name, { flags: 1 << 16 })
      deaf.send({ action: SYNC, channel: name })
      deaf.send({ action: 0, id: 'beat' })
      await deaf.next(({ action }) => action === 0)
      await new Promise((resolve) => setTimeout(resolve, 200))
      t.same(deaf.all.filter(({ action }) => action === SYNC), [])
      t.notOk(deaf.isEnded)
    })

  rule('M18', 'one member by event and by SYNC, of every node', async (t, on) => {
    const name = on.name('alike')
    const [speaker, watcher] = await pair(t, on, name)
    const extras = { headers: { mood: 'fine' } }
    const item = { action: ENTER, clientId: 'ann', data: '{"a":1}', encoding: 'json', extras }
    await said(speaker!, name, 0, [item])
    const told = await watcher!.next(({ action }) => action === PRESENCE)
    t.type(told.channelSerial, 'string')
    t.match(facts(told), { clientId: 'ann', data: '{"a":1}', encoding: 'json', extras })
    for (const node of [0, 1, 2]) {
      const late = await on.socket(t, node)
      late.send({ action: 10, channel: name })
      const sync = await late.next(({ action }) => action === SYNC)
      t.same(facts(sync), facts(told), `node ${node}`)
    }
  })

  rule('M19', 'a token that may no longer', async (t, on) => {
    const name = on.name('denied')
    const token = (operations: string[]): string =>
      jwtOf(on.key, { clientId: 'ann', capability: { [name]: operations } })
    const params = { access_token: token(['presence', 'subscribe']) }
    const [speaker, watcher] = await pair(t, on, name, params)
    await said(speaker!, name, 0, [{ action: ENTER, data: 'x' }])
    await until('the enter', () => events(watcher!).length === 1)
    speaker!.send({ action: AUTH, auth: { accessToken: token(['subscribe']) } })
    await until('the leave', () => events(watcher!).length === 2, 5_000)
    t.match(events(watcher!)[1], { action: LEAVE, clientId: 'ann', data: 'x' })
    const again = await said(speaker!, name, 1, [{ action: ENTER }])
    t.equal(again.error?.code, 40160)
  })
})
