import t from 'tap'
import { RegionStory } from './region-story.ts'

t.test('[12] handover: a master leaves, and nobody notices but by a new socket', async (t) => {
  const told = new RegionStory('handover')
  const master = told.masterOf('ch')
  const other = told.anotherThan(master)
  const alice = told.client('alice', { node: other })
  const bob = told.client('bob')
  told.transcript()
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the master\'s pod is deleted', () => {
    told.region.deletePod(told.node(master))
    alice.publish('ch')
    alice.publish('ch')
  }, 12_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  t.same(bob.heard.get('ch'), ['alice.1', 'alice.2', 'alice.3', 'alice.4'])
  t.equal(alice.lossCount + bob.lossCount, 0, 'no continuity is lost')
  t.same(told.missing(), [])
  t.not(told.masterOf('ch'), master)
})

t.test('[2, 3, A8] takeover: a publish is in the log, and its master dies', async (t) => {
  const told = new RegionStory('takeover')
  const master = told.masterOf('ch')
  const other = told.anotherThan(master)
  const alice = told.client('alice', { node: other })
  told.client('bob', { node: told.anotherThan(master, other) })
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('alice publishes, and the log\'s answers are lost', () => {
    told.region.log.faults.lostAnswerChance = 1
    alice.publish('ch')
  }, 20)
  told.tell('the master\'s machine is lost', () => {
    told.region.log.faults.lostAnswerChance = 0
    told.region.loseMachine(told.node(master), 20_000)
  }, 8_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  t.equal(told.transcript(), `
  alice is connected to ${other}
  alice is attached to ch
  bob is connected to ${told.anotherThan(master, other)}
  bob is attached to ch
alice publishes
  bob hears alice.1 on ch
alice publishes, and the log's answers are lost
the master's machine is lost
  bob hears alice.2 on ch
alice publishes
  bob hears alice.3 on ch
`)
  t.same([...alice.submissions.acknowledged], ['alice.1', 'alice.2', 'alice.3'])
  told.wait(20_000)
  t.same(told.missing(), [])
})

t.test('[8, 11, E2] partition and heal: the lonely ends its sockets, and returns', async (t) => {
  const told = new RegionStory('partition')
  const lonely = told.masterOf('ch')
  const other = told.anotherThan(lonely)
  const alice = told.client('alice', { node: other })
  const bob = told.client('bob')
  bob.dropSocket()
  told.wait(2_000)
  const { mesh, log } = told.region
  const cut = (from: string, to: string): boolean => (from === lonely) !== (to === lonely)
  told.transcript()
  told.tell('the master loses its mesh and the log', () => {
    mesh.cuts.add(cut)
    told.node(lonely).setMeshUp(false)
    log.cutOff.add(lonely)
  }, 100)
  told.tell('alice publishes', () => alice.publish('ch'), 12_000)
  t.ok(alice.submissions.acknowledged.has('alice.1'), 'another master took over')
  t.notOk(told.region.kube.view!.members.some(({ incarnation }) =>
    incarnation === `${lonely}-1.1`), 'and the ring goes on without it')
  told.tell('the mesh heals', () => {
    mesh.cuts.delete(cut)
    told.node(lonely).setMeshUp(true)
    log.cutOff.delete(lonely)
  }, 15_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  t.same(bob.heard.get('ch'), ['alice.1', 'alice.2'])
  t.equal(bob.lossCount, 0)
  t.same(told.missing(), [])
  t.equal(told.region.kube.view!.members.length, 3, 'it is back, as somebody new')
})

t.test('[11, A2] worker death: the heir knows nothing and reads it all', async (t) => {
  const told = new RegionStory('worker death', { workers: 1 })
  const master = told.masterOf('ch')
  const alice = told.client('alice', { node: told.anotherThan(master) })
  told.client('bob', { node: master })
  told.tell('alice publishes', () => alice.publish('ch'))
  told.tell('the master\'s worker dies', () => {
    told.node(master).life!.killWorker(0)
    alice.publish('ch')
  }, 3_000)
  told.tell('alice publishes', () => alice.publish('ch'))
  t.equal(told.transcript(), `
  alice is connected to ${told.anotherThan(master)}
  alice is attached to ch
  bob is connected to ${master}
  bob is attached to ch
alice publishes
  bob hears alice.1 on ch
the master's worker dies
  bob is offline: its socket is closed
  bob is connected again to ${master}
  bob is attached to ch, resumed
  bob hears alice.2 on ch
alice publishes
  bob hears alice.3 on ch
`)
  t.same(told.missing(), [])
})

t.test('[2, 7, 10, A19] two proposers: the API is away, both act, the log lets one', async (t) => {
  const told = new RegionStory('two proposers', { nodeCount: 4, successorCount: 2 })
  const master = told.masterOf('ch')
  // With ids of her own: what she sends again over another connection is known again.
  const alice = told.client('alice', { node: told.anotherThan(master), hasOwnIds: true })
  const bob = told.client('bob', { node: told.anotherThan(master, told.anotherThan(master)) })
  const { kube, mesh } = told.region
  const names = [...told.region.nodes.keys()].filter((name) => name !== master)
  const side = new Set(names.slice(0, 1))
  told.transcript()
  told.tell('the API is away', () => kube.setAway(true), 3_000)
  told.tell('the master dies, and the others are parted', () => {
    told.region.loseMachine(told.node(master), 40_000)
    mesh.cuts.add((from, to) => side.has(from) !== side.has(to))
    alice.publish('ch')
  }, 15_000)
  told.tell('all is whole again', () => {
    mesh.cuts.clear()
    kube.setAway(false)
  }, 30_000)
  told.tell('alice publishes', () => alice.publish('ch'), 3_000)
  const heard = bob.heard.get('ch') ?? []
  t.ok(heard.includes('alice.1') && heard.includes('alice.2'), heard.join(' '))
  t.equal(new Set(heard).size, heard.length, 'each once')
  t.same(told.missing(), [])
})
