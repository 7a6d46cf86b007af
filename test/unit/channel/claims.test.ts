import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeState, emptyState, encodeState } from '../../../src/channel/partition-state.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import { epochOf } from '../../../src/peer/epoch.ts'
import { claimRecordFields, claimRecordFrom } from '../../../src/peer/claim-codec.ts'
import type { ClaimRecord } from '../../../src/peer/claim-message.ts'
import { certain, claim, home, n1, n2, RegisterBench } from './register-bench.ts'
import { World } from './partition-world.ts'

const TTL_MS = limits.connectionStateTtlMs

/** A register of a connection that was granted to n1, as claim 1, and then to n2. */
function movedOn(): RegisterBench {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  bench.claim(n2, claim('b'))
  bench.hold(n1, 'b', { kind: 'held', claim: 1, isProven: false, ...certain })
  bench.commit()
  return bench
}

t.test('[20] a claim is granted once it is in the log; the former holder is told', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  t.same(bench.take(home), ['stillHeld a 1'])
  t.same(bench.take(n1), [])
  bench.hold(home, 'a', { kind: 'held', claim: 0, isProven: true, ...certain })
  t.same([bench.take(n1), bench.take(home)], [[], []], 'nothing is said before')
  bench.commit()
  t.same(bench.take(n1), ['claimGranted a 1 lin'])
  t.same(bench.take(home), ['superseded 1'])
})

t.test('[20] the holder that ended the session decides; the register says so', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  bench.hold(home, 'a', { kind: 'ended', error: { code: 80017, statusCode: 400, message: '' } })
  t.same(bench.take(n1), [], 'a former master would have said the same: first the log')
  bench.commit()
  t.same(bench.take(n1), ['claimRefused a 80017'])
  t.equal(bench.register.size, 0)
})

t.test('[20, D1] a silent holder delays and does not prevent', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  bench.pass(limits.holderAnswerMs - 1)
  t.equal(bench.entries.length, 0)
  bench.pass(1)
  bench.commit()
  t.same(bench.take(n1), ['claimGranted a 1 lin'])
  bench.hold(home, 'a', { kind: 'ended', error: { code: 80017, statusCode: 400, message: '' } })
  bench.commit()
  t.same(bench.take(n1), [], 'what it says later is too late')
})

t.test('[20, D3] a home that is gone, not for long: granted; for longer: refused', async (t) => {
  for (const [fate, said] of [
    ['gone', ['claimGranted a 1 lin']], ['longGone', ['claimRefused a 80008']]
  ] as const) {
    const bench = new RegisterBench()
    bench.fates.set('home', fate)
    bench.claim(n1, claim('a'))
    bench.commit()
    t.same(bench.take(n1), said)
    t.same(bench.take(home), [], 'nobody speaks to the dead')
  }
})

t.test('[11, 20] who was given it lately held it, though it was removed before that', async (t) => {
  for (const [afterMs, said] of [
    [TTL_MS, 'claimGranted b 2 lin'], [TTL_MS + 1, 'claimRefused b 80008']
  ] as const) {
    const bench = new RegisterBench()
    bench.fates.set('home', 'gone')
    bench.claim(n1, claim('a'))
    bench.commit()
    bench.take(n1)
    bench.fates.set('n1', 'longGone')
    bench.pass(afterMs)
    bench.claim(n2, claim('b', { keyClaim: 1, home: { ...n1, generation: 1 } }))
    bench.commit()
    t.same(bench.take(n2), [said])
  }
})

t.test('[11, 20] how lately that was is not counted from a takeover', async (t) => {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  const [granted] = bench.register.state() as [ClaimRecord]
  bench.pass(50_000)
  const late = { kind: 'prove', connectionId: 'c' } as const
  bench.register.onMessage(n1, { ...late, claim: 1 })
  bench.commit()
  const [proven] = bench.register.state() as [ClaimRecord]
  const afterwards = (record: ClaimRecord, ageMs: number): string[] => {
    const next = new RegisterBench()
    next.nowMs += ageMs
    for (const each of decodeState(encodeState({ ...emptyState, claims: [record] })).claims) {
      next.register.restore(each)
    }
    next.fates.set('n1', 'longGone')
    next.claim(n2, claim('b', { keyClaim: 1, home: { ...n1, generation: 1 } }))
    next.commit()
    return next.take(n2)
  }
  const isGranted = ['claimGranted b 2 lin']
  const isRefused = ['claimRefused b 80008']
  t.same(afterwards(granted, TTL_MS), isGranted)
  t.same(afterwards(granted, TTL_MS + 1), isRefused)
  t.same(afterwards(proven, 50_000 + TTL_MS), isGranted, 'a frame of its client came there')
  t.same(afterwards(proven, 50_000 + TTL_MS + 1), isRefused)
  t.same(afterwards({ ...granted, heldAtMs: 0 }, TTL_MS), isRefused, 'nobody has noted it')
})

t.test('[20] a frame with a former key does not say that the holder has the connection',
  async (t) => {
    const bench = movedOn()
    const heldAtMs = bench.nowMs
    bench.pass(1_000)
    bench.register.onMessage(n1, { kind: 'prove', connectionId: 'c', claim: 1 })
    bench.commit()
    t.match(bench.register.state(), [{ claim: 2, proven: 1, heldAtMs }])
  })

t.test('[20] a home that nobody has heard of is waited for, then given up', async (t) => {
  const bench = new RegisterBench()
  bench.fates.set('home', 'unheard')
  bench.claim(n1, claim('a'))
  bench.claim(n2, claim('b', { connectionId: 'd' }))
  bench.pass(limits.holderAnswerMs / 2)
  t.equal(bench.entries.length, 0)
  bench.fates.set('home', 'listed')
  bench.pass(limits.holderAnswerMs)
  t.same(bench.take(home), ['stillHeld a 1', 'stillHeld b 1'], 'its view has come meanwhile')
  bench.fates.set('home', 'unheard')
  bench.claim(n1, claim('c', { connectionId: 'e' }))
  bench.pass(limits.holderAnswerMs)
  bench.commit()
  t.ok(bench.take(n1).includes('claimRefused c 80008'))
})

t.test('[20] the heir of the home\'s worker says how long ago it was at most', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  bench.hold(home, 'a', { kind: 'formerLife', livedMs: TTL_MS })
  bench.claim(n1, claim('b', { connectionId: 'd' }))
  bench.hold(home, 'b', { kind: 'formerLife', livedMs: TTL_MS + 1 }, 'd')
  bench.commit()
  t.same(bench.take(n1), ['claimGranted a 1 lin', 'claimRefused b 80008'])
})

t.test('[20] the home dies while it is asked: that decides', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  bench.fates.set('home', 'gone')
  bench.register.onPlaceGone(({ incarnation }) => incarnation === 'home')
  bench.commit()
  t.same(bench.take(n1), ['claimGranted a 1 lin'])
  bench.pass(limits.holderAnswerMs)
  t.equal(bench.entries.length, 0, 'once')
})

t.test('[20, 4] another lineage: the old session is ended, then the resume fails', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a', { keyClaim: 2, lineage: 'other' }))
  t.same(bench.take(home), ['stillHeld a 1 mustEnd'])
  bench.commit()
  t.same(bench.take(n1), [], 'it is ended first')
  bench.hold(home, 'a', { kind: 'held', claim: 2, isProven: true, ...certain })
  bench.commit()
  t.same(bench.take(n1), ['claimRefused a 80008'])
})

t.test('[20, D2] the old key works until the newer one was seen in use', async (t) => {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  // CONNECTED was lost on the wire: the client tries again with the key that it has.
  bench.claim(n2, claim('b'))
  t.same(bench.take(n1), ['stillHeld b 1'], 'who holds it now is asked, not the key\'s home')
  bench.hold(n1, 'b', { kind: 'held', claim: 1, isProven: false, ...certain })
  bench.commit()
  t.same(bench.take(n2), ['claimGranted b 2 lin'])
  t.same(bench.take(n1), ['superseded 2'])
  bench.register.onMessage(n2, { kind: 'prove', connectionId: 'c', claim: 2 })
  bench.commit()
  t.same(bench.take(n2), ['proved 2'])
  bench.claim(n1, claim('c'))
  bench.commit()
  t.same(bench.take(n1), ['claimRefused c 80018'], 'retired')
  bench.claim(n1, claim('d', { keyClaim: 2, home: { ...n2, generation: 1 }, lineage: 'lin' }))
  bench.hold(n2, 'd', { kind: 'held', claim: 2, isProven: true, ...certain })
  bench.commit()
  t.same(bench.take(n1), ['claimGranted d 3 lin'])
})

t.test('[20, D2] a holder that has seen the newer key in use is believed', async (t) => {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  bench.claim(n2, claim('b'))
  bench.hold(n1, 'b', { kind: 'held', claim: 1, isProven: true, ...certain })
  bench.commit()
  t.same(bench.take(n2), ['claimRefused b 80018'])
})

t.test('[20, D1] claims of one connection are decided one after the other', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  bench.claim(n2, claim('b'))
  bench.claim(n2, claim('b'))
  t.same(bench.take(home), ['stillHeld a 1'], 'the second waits')
  bench.hold(home, 'a', { kind: 'held', claim: 0, isProven: true, ...certain })
  bench.commit()
  t.same(bench.take(n1), ['claimGranted a 1 lin', 'stillHeld b 1'])
  bench.hold(n1, 'b', { kind: 'held', claim: 1, isProven: false, ...certain })
  bench.commit()
  t.same(bench.take(n2), ['claimGranted b 2 lin'])
  t.same(bench.take(n1), ['superseded 2'])
  t.same(bench.register.state().map(({ claim, formers }) => [claim, formers.length]), [[2, 2]])
})

t.test('a request that comes again is answered again, and granted once', async (t) => {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  bench.claim(n1, claim('a'))
  t.same(bench.take(n1), ['claimGranted a 1 lin'])
  bench.claim(n2, claim('b'))
  bench.hold(n1, 'b', { kind: 'held', claim: 1, isProven: false, ...certain })
  bench.commit()
  bench.take(n1)
  bench.claim(n1, claim('a'))
  t.same(bench.take(n1), ['claimRefused a 80003'], 'late: it is another\'s by now')
  bench.register.onMessage(n2, { kind: 'prove', connectionId: 'c', claim: 2 })
  bench.commit()
  bench.claim(n1, claim('a'))
  t.same(bench.take(n1), ['claimRefused a 80018'], 'and its client has the newer key')
  t.equal(bench.register.state()[0]!.claim, 2)
  t.equal(bench.entries.length, 0)
})

t.test('a claim of a newer view waits for that view', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a', { viewVersion: 2 }))
  t.same(bench.take(home), [])
  bench.viewVersion = 2
  bench.claim(n1, claim('a', { viewVersion: 2 }))
  t.same(bench.take(home), ['stillHeld a 1'])
})

t.test('[2, 20] a register whose log has seen a newer view decides nothing before it has that',
  async (t) => {
    const bench = new RegisterBench()
    bench.register.end()
    bench.register.begin('lin', epochOf(2, 1))
    bench.fates.set('home', 'unheard')
    bench.claim(n1, claim('a'))
    bench.pass(limits.holderAnswerMs)
    bench.commit()
    t.same(bench.take(n1), [], 'the home may be one of that view')
    bench.viewVersion = 2
    bench.fates.set('home', 'listed')
    bench.claim(n1, claim('a'))
    t.same(bench.take(home), ['stillHeld a 1'])
  })

t.test('[25] many ask for one connection, or for many: bounded', async (t) => {
  const bench = new RegisterBench()
  bench.claim(n1, claim('a'))
  for (let no = 0; no < 3 * limits.claimsWaitingMax; no++) bench.claim(n1, claim(`b${no}`))
  for (let no = 0; no < 50; no++) {
    bench.pass(limits.holderAnswerMs)
    bench.commit()
  }
  const granted = bench.take(n1).filter((each) => each.startsWith('claimGranted'))
  t.equal(granted.length, 1 + limits.claimsWaitingMax)
})

t.test('[25] at the bound a resume is refused, never a claim forgotten', async (t) => {
  const bench = new RegisterBench()
  const { claimsPerPartitionMax } = limits
  for (let no = 0; no < claimsPerPartitionMax; no++) {
    bench.register.restore({
      connectionId: `x${no}`, claim: 1, claimId: `x${no}`, holder: { ...n1, generation: 1 },
      proven: 1, formers: [], formerClaimIds: [], heldAtMs: 0
    })
  }
  bench.claim(n2, claim('a'))
  t.same(bench.take(home), ['stillHeld a 1 mustEnd'])
  bench.hold(home, 'a', { kind: 'held', claim: 0, isProven: true, ...certain })
  bench.commit()
  t.same(bench.take(n2), ['claimRefused a 80008'])
  t.equal(bench.register.size, claimsPerPartitionMax)
  bench.claim(n2, claim('b', { connectionId: 'x1', keyClaim: 1 }))
  t.same(bench.take(n1), ['stillHeld b 1'], 'who has a record may go on')
})

t.test('[20] a link lost something: who was asked or told is asked and told again', async (t) => {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  bench.claim(n2, claim('b', { connectionId: 'd' }))
  bench.take(home)
  bench.register.onLinkReset(n2)
  t.same(bench.take(home), [])
  bench.register.onLinkReset(home)
  t.same(bench.take(home), ['superseded 1', 'stillHeld b 1'])
})

t.test('[17, 20] claims live as long as ids, and no longer', async (t) => {
  const bench = new RegisterBench()
  bench.grant(n1, 'a')
  bench.pass(limits.idKeptMs - 1)
  t.equal(bench.register.size, 1)
  bench.pass(1)
  t.equal(bench.register.size, 0)
  // The key knows what the register has forgotten.
  bench.claim(n2, claim('b', { keyClaim: 1, home: { ...n1, generation: 1 }, lineage: 'lin' }))
  bench.hold(n1, 'b', { kind: 'held', claim: 1, isProven: true, ...certain })
  bench.commit()
  t.same(bench.take(n2), ['claimGranted b 2 lin'])
})

t.test('[20, A17] the next master knows the claims, from the log or its snapshot', async (t) => {
  for (const hasSnapshot of [false, true]) {
    const world = new World()
    const first = world.master()
    first.master.onRegisterMessage(n1, claim('a'))
    const held = { kind: 'held', claim: 0, isProven: true, ...certain } as const
    first.master.onRegisterMessage(home, {
      kind: 'holding', connectionId: 'c', claimId: 'a', holding: held
    })
    first.settle()
    first.master.onRegisterMessage(n1, { kind: 'prove', connectionId: 'c', claim: 1 })
    first.settle()
    const said = first.said.map(({ kind }) => kind)
    t.same(said, ['stillHeld', 'claimGranted', 'superseded', 'proved'])
    if (hasSnapshot) {
      first.join()
      for (let no = 0; no < 2_000; no++) first.publish(`x:${no}`)
    }
    const kinds = world.log.records.flatMap(({ bytes }) => {
      return decodeAppend(bytes)!.entries.map(({ kind }) => kind)
    })
    t.equal(kinds.includes('snapshotEnd'), hasSnapshot)
    const second = world.master(false)
    second.master.onRegisterMessage(n2, claim('b'))
    t.same(second.said, [], 'not before it is the master')
    second.settle()
    t.match(second.said, [
      { kind: 'superseded', connectionId: 'c', claim: 1 },
      { kind: 'claimRefused', claimId: 'b', error: { code: 80018 } }
    ])
    t.ok(first.master.describe().includes('over') || !first.isDeposed)
  }
})

t.test('[20] a claim that is repeated after a later one is refused by the next register',
  async (t) => {
    const bench = movedOn()
    t.same(bench.take(n2), ['claimGranted b 2 lin'], 'the answer to the first was lost')
    const next = new RegisterBench()
    for (const record of bench.register.state()) next.register.restore(record)
    next.claim(n1, claim('a'))
    next.commit()
    t.same(next.take(n1), ['claimRefused a 80003'], 'it may come again')
    t.match(next.register.state(), [{ claim: 2, claimId: 'b' }])
  })

t.test('[2] a former master answers no claim', async (t) => {
  const world = new World()
  const first = world.master()
  world.master()
  first.master.onRegisterMessage(n1, claim('a', { lineage: 'other' }))
  first.said.length = 0
  world.pass(limits.holderAnswerMs, first)
  t.same(first.said.filter(({ kind }) => kind.startsWith('claim')), [])
  t.ok(first.isDeposed)
})

t.test('records stand in snapshots as they are', async (t) => {
  const record: ClaimRecord = {
    connectionId: 'c', claim: 3, claimId: 'x', holder: { ...n1, generation: 2 }, proven: 2,
    formers: [home, n2], formerClaimIds: ['w', 'v'], heldAtMs: 7
  }
  const nonces = [{ digest: 'd', spendId: 's', untilMs: 5 }]
  const state = { ...emptyState, claims: [record], nonces }
  t.same(decodeState(encodeState(state)), state)
  const older = claimRecordFrom(claimRecordFields(record).slice(0, -1))
  t.same(older, { ...record, heldAtMs: 0 }, 'a former release noted no time')
})
