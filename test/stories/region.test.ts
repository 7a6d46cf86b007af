/**
 * What happens to a region, told by what its clients, its ring and its log saw of it. How to read
 * a transcript is said in `region-story.ts`; the numbers before a title are those of the rules
 * and scenarios that the story is about.
 */

import t from 'tap'
import { RegionStory } from './region-story.ts'

t.test('[12] handover: a master leaves, and nobody notices but by a new socket', async (t) => {
  const told = new RegionStory('handover')
  const master = told.master()
  const other = told.anotherThan(master)
  const alice = told.client('alice', other)
  const bob = told.client('bob', master)
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the master\'s pod is deleted, and alice publishes twice', () => {
    told.region.deletePod(told.node(master))
    alice.publish('ch')
    alice.publish('ch')
  }, 12_000)
  const heir = told.master()
  told.tell('alice publishes', () => alice.publish('ch'))
  t.equal(told.transcript(), `
  alice is connected to ${other}
  ${master} masters ch
  alice is attached to ch
  bob is connected to ${master}
  bob is attached to ch
alice publishes
  bob hears alice.1 on ch
  alice is told that alice.1 is published
the master's pod is deleted, and alice publishes twice
  bob is disconnected: 50005
  bob is offline: told to come back
  alice is told that alice.2 is published
  alice is told that alice.3 is published
  the ring is ${other}, ${master} (leaving), ${heir}
  ${heir} masters ch
  the ring is ${other}, ${heir}
  bob is connected again to ${heir}
  bob is attached to ch, resumed
  bob hears alice.2 on ch
  bob hears alice.3 on ch
  the ring is ${other}, ${heir}, ${master} (joining)
  the ring is ${other}, ${heir}, ${master}
alice publishes
  bob hears alice.4 on ch
  alice is told that alice.4 is published
`)
  t.equal(alice.lossCount + bob.lossCount, 0, 'no continuity is lost')
  t.same(told.missing(), [])
})

t.test('[2, 3, A8] takeover: a publish is in the log, and its master dies', async (t) => {
  const told = new RegionStory('takeover')
  const master = told.master()
  const other = told.anotherThan(master)
  const third = told.anotherThan(master, other)
  const alice = told.client('alice', other)
  told.client('bob', third)
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('alice publishes, and the log\'s answers are lost', () => {
    told.region.log.faults.lostAnswerChance = 1
    alice.publish('ch')
  }, 20)
  told.tell('the master\'s machine is lost', () => {
    told.region.log.faults.lostAnswerChance = 0
    told.region.loseMachine(told.node(master), 20_000)
  }, 8_000)
  const heir = told.master()
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('its pod is started on another machine', () => undefined, 20_000)
  t.equal(told.transcript(), `
  alice is connected to ${other}
  ${master} masters ch
  alice is attached to ch
  bob is connected to ${third}
  bob is attached to ch
alice publishes
  alice is told that alice.1 is published
  bob hears alice.1 on ch
alice publishes, and the log's answers are lost
the master's machine is lost
  the ring is ${other}, ${heir}
  ${heir} masters ch
  bob hears alice.2 on ch
  alice is told that alice.2 is published
alice publishes
  alice is told that alice.3 is published
  bob hears alice.3 on ch
its pod is started on another machine
  the ring is ${other}, ${heir}, ${master} (joining)
  the ring is ${other}, ${heir}, ${master}
`)
  t.same(told.missing(), [])
})

t.test('[8, 11, E2] partition and heal: the lonely ends its sockets, and returns', async (t) => {
  const told = new RegionStory('partition')
  const lonely = told.master()
  const other = told.anotherThan(lonely)
  const alice = told.client('alice', other)
  const bob = told.client('bob', lonely)
  const { mesh, log, kube } = told.region
  const cut = (from: string, to: string): boolean => (from === lonely) !== (to === lonely)
  told.tell('the master loses its mesh and the log, and both publish', () => {
    mesh.cuts.add(cut)
    told.node(lonely).setMeshUp(false)
    log.cutOff.add(lonely)
    alice.publish('ch')
    bob.publish('ch')
  }, 12_000)
  const heir = told.master()
  told.tell('the mesh heals', () => {
    mesh.cuts.delete(cut)
    told.node(lonely).setMeshUp(true)
    log.cutOff.delete(lonely)
  }, 15_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  t.equal(told.transcript(), `
  alice is connected to ${other}
  ${lonely} masters ch
  alice is attached to ch
  bob is connected to ${lonely}
  bob is attached to ch
the master loses its mesh and the log, and both publish
  the ring is ${other}, ${heir}
  ${heir} masters ch
  alice is told that alice.1 is published
  bob is disconnected: 50003
  bob is offline: told to come back
the mesh heals
  bob is offline: its socket is closed
  the ring is ${other}, ${heir}, ${lonely} (joining)
  the ring is ${other}, ${heir}, ${lonely}
  bob is connected again to ${lonely}
  alice hears bob.1 on ch
  bob is attached to ch, resumed
  bob hears alice.1 on ch
  bob is told that bob.1 is published
alice publishes
  alice is told that alice.2 is published
  bob hears alice.2 on ch
`)
  t.equal(alice.lossCount + bob.lossCount, 0, 'no continuity is lost')
  t.same(told.missing(), [])
  const { incarnation } = kube.view!.members.find(({ node }) => node === lonely)!
  t.match(incarnation, /\.2$/, 'it is back, as somebody new in the same process')
})

t.test('[11, A2] worker death: the heir knows nothing and reads it all', async (t) => {
  const told = new RegionStory('worker death', { workers: 1 })
  const master = told.master()
  const other = told.anotherThan(master)
  const alice = told.client('alice', other)
  told.client('bob', master)
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the master\'s worker dies, and alice publishes', () => {
    told.node(master).life!.killWorker(0)
    alice.publish('ch')
  }, 3_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  t.equal(told.transcript(), `
  alice is connected to ${other}
  ${master} masters ch
  alice is attached to ch
  bob is connected to ${master}
  bob is attached to ch
alice publishes
  alice is told that alice.1 is published
  bob hears alice.1 on ch
the master's worker dies, and alice publishes
  bob is offline: its socket is closed
  ${master} masters ch
  alice is told that alice.2 is published
  bob is connected again to ${master}
  bob is attached to ch, resumed
  bob hears alice.2 on ch
alice publishes
  alice is told that alice.3 is published
  bob hears alice.3 on ch
`)
  t.same(told.missing(), [])
})

t.test('[7, A15] two proposers: both write the next view, the ring takes one', async (t) => {
  const told = new RegionStory('two proposers', { nodeCount: 4 })
  const [first, second, third, last] = told.members() as [string, string, string, string]
  const alice = told.client('alice', second)
  const bob = told.client('bob', third)
  told.slowDownWrite(first, 1_600)
  told.tell('a machine is lost', () => told.region.loseMachine(told.node(last), 20_000), 6_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('its pod is started on another machine', () => undefined, 20_000)
  t.equal(told.transcript(), `
  alice is connected to ${second}
  ${third} masters ch
  alice is attached to ch
  bob is connected to ${third}
  bob is attached to ch
a machine is lost
  ${first} sends the next view, which is on its way for long
  the ring is ${first}, ${second}, ${third}
  ${first} writes the next view too late
alice publishes
  bob hears alice.1 on ch
  alice is told that alice.1 is published
its pod is started on another machine
  the ring is ${first}, ${second}, ${third}, ${last} (joining)
  the ring is ${first}, ${second}, ${third}, ${last}
  ${last} masters ch
`)
  t.same(told.writings.slice(0, 2), [
    { writer: second, outcome: 'written' }, { writer: first, outcome: 'conflict' }
  ])
  t.equal(alice.lossCount + bob.lossCount, 0, 'no continuity is lost')
  t.same(told.missing(), [])
})

t.test('[2, 10, A3, A19] two successors: both claim the channel, the log takes one', async (t) => {
  const told = new RegionStory('two successors', { nodeCount: 7, successorCount: 2 })
  const [master, first, second] = told.owners() as [string, string, string]
  const other = told.anotherThan(master, first, second)
  const alice = told.client('alice', other)
  const another = told.anotherThan(master, first, second, other)
  const bob = told.client('bob', another)
  const living = told.members().filter((node) => node !== master).join(', ')
  const { kube } = told.region
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the API is away: nobody can write a view', () => kube.setAway(true), 3_000)
  told.freezeAtClaim(first)
  told.tell('the master\'s machine is lost, and alice publishes', () => {
    told.region.loseMachine(told.node(master), 60_000)
    alice.publish('ch')
  }, 15_000)
  told.tell('the first successor wakes', () => told.node(first).wake(), 10_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the API is back', () => kube.setAway(false), 20_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the pod of the master is started on another machine', () => undefined, 30_000)
  t.equal(told.transcript(), `
  alice is connected to ${other}
  ${master} masters ch
  alice is attached to ch
  bob is connected to ${another}
  bob is attached to ch
alice publishes
  bob hears alice.1 on ch
  alice is told that alice.1 is published
the API is away: nobody can write a view
the master's machine is lost, and alice publishes
  ${first} claims ch, and stands still
  ${second} masters ch
  bob hears alice.2 on ch
  alice is told that alice.2 is published
the first successor wakes
  ${first} is fenced from ch
  ${first} masters ch
alice publishes
  bob hears alice.3 on ch
  alice is told that alice.3 is published
the API is back
  the ring is ${living}
  ${second} masters ch
alice publishes
  bob hears alice.4 on ch
  alice is told that alice.4 is published
the pod of the master is started on another machine
  the ring is ${living}, ${master} (joining)
  the ring is ${living}, ${master}
`)
  t.same(bob.heard.get('ch'), ['alice.1', 'alice.2', 'alice.3', 'alice.4'], 'each once')
  t.equal(alice.lossCount + bob.lossCount, 0, 'no continuity is lost')
  t.same(told.missing(), [])
})
