/*
Publishes that are acknowledged once another region has them, too (`acknowledge: global`).
*/

import t from 'tap'
import { sceneOf } from './scenes.ts'

t.test('[W17] where that is asked for, what is acknowledged stands in two regions', async (t) => {
  const scene = sceneOf('global', ['eu', 'us'])
  const { abroad, clients: [client], regions: [eu, us] } = scene
  const channel = 'everywhere:a'
  client!.attach(channel)
  abroad.world.run(1_000)
  const { acknowledged, refused } = client!.submissions
  const isThere = (region: typeof eu, text: string): boolean =>
    region!.ledger.withText(text).some((each) => each.channel === `app/${channel}`)
  const first = [...client!.publish(channel), ...client!.publish(channel)]
  abroad.world.run(1_000)
  t.ok(first.every((text) => acknowledged.has(text)), 'though nobody uses the channel there')
  t.ok(first.every((text) => isThere(us, text)))

  abroad.cut(eu!, us!)
  const [alone] = client!.publish(channel)
  abroad.world.run(7_000)
  t.equal(refused.get(alone!)?.code, 50003, 'nobody else has it')
  t.ok(isThere(eu, alone!))
  t.ok(client!.heard.get(channel)?.includes(alone!))

  const [moved] = client!.publish(channel)
  abroad.world.run(500)
  t.ok(isThere(eu, moved!))
  for (const node of eu!.running) eu!.crash(node, 500, 1_000)
  abroad.world.run(2_500)
  t.notOk(acknowledged.has(moved!), 'nor does the next master acknowledge it')
  abroad.heal()
  abroad.world.run(15_000)
  t.ok(acknowledged.has(moved!), 'but when it is there')
  t.ok(isThere(us, moved!) && isThere(us, alone!))
  t.same(client!.heard.get(channel), [...first, alone, moved], 'each is one publish')
})

t.test('[W17] also where their relays had nothing to bring before, and masters have moved',
  async (t) => {
    const { abroad, clients, regions: [eu, us] } = sceneOf('global, quiet', ['eu', 'us'])
    const [client, , ...others] = clients
    const channel = 'everywhere:quiet'
    for (const other of others) other.attach(channel)
    abroad.world.run(2_000)
    abroad.cut(eu!, us!)
    for (const node of us!.running) {
      us!.crash(node, 500, 1_000)
      abroad.world.run(8_000)
    }
    client!.attach(channel)
    abroad.world.run(2_000)
    const [text] = client!.publish(channel)
    abroad.world.run(1_000)
    abroad.heal()
    abroad.world.run(10_000)
    t.ok(client!.submissions.acknowledged.has(text!))
    for (const other of others) {
      t.same(other.heard.get(channel), [text], `${other.name} has heard it`)
      t.equal(other.lossCount, 0, 'and missed nothing')
    }
  })

t.test('[W17] who is asked to hold a channel misses nothing that came before', async (t) => {
  const { abroad, clients, regions: [eu, us, ap] } = sceneOf('held late', ['eu', 'us', 'ap'])
  const [here, , publisher, , third] = clients
  const channel = 'everywhere:late'
  abroad.cut(eu!, us!, true)
  for (const client of [here, publisher, third]) client!.attach(channel)
  abroad.world.run(2_000)
  const [first] = publisher!.publish(channel)
  abroad.world.run(1_000)
  t.ok(publisher!.submissions.acknowledged.has(first!), 'a third region has it')
  abroad.cut(us!, ap!)
  const [second] = publisher!.publish(channel)
  abroad.world.run(5_000)
  abroad.heal()
  abroad.world.run(15_000)
  t.ok(publisher!.submissions.acknowledged.has(second!))
  t.same(here!.heard.get(channel), [first, second])
  t.equal(here!.lossCount, 0)
})

t.test('[W17] where the channel is used since then what waits is told with what is asked for',
  async (t) => {
    const { abroad, clients, regions: [eu, us, ap] } = sceneOf('used since', ['eu', 'us', 'ap'])
    const [here, , publisher] = clients
    const channel = 'everywhere:late'
    publisher!.attach(channel)
    abroad.world.run(2_000)
    abroad.cut(us!, ap!)
    abroad.cut(eu!, us!)
    const [text] = publisher!.publish(channel)
    abroad.world.run(2_500)
    here!.attach(channel)
    abroad.world.run(500)
    abroad.mend(eu!, us!)
    abroad.mend(us!, eu!)
    abroad.world.run(3_000)
    t.ok(publisher!.submissions.acknowledged.has(text!))
  })

t.test('[W17] who was there before that, and comes back, misses nothing either', async (t) => {
  const { abroad, clients, regions: [eu, us, ap] } = sceneOf('held again', ['eu', 'us', 'ap'])
  const [here, , publisher, , third] = clients
  const channel = 'everywhere:late'
  abroad.cut(eu!, us!)
  for (const client of [here, publisher, third]) client!.attach(channel)
  abroad.world.run(5_000)
  const before = here!.lossCount
  here!.stayAway(Infinity)
  abroad.world.run(160_000)
  const [missed] = publisher!.publish(channel)
  abroad.world.run(3_000)
  abroad.cut(us!, ap!)
  const [held] = publisher!.publish(channel)
  abroad.world.run(2_000)
  abroad.mend(eu!, us!)
  abroad.mend(us!, eu!)
  abroad.world.run(5_000)
  t.ok(publisher!.submissions.acknowledged.has(held!), 'it is held where nobody is')
  here!.stayAway(0)
  abroad.world.run(20_000)
  t.same(here!.heard.get(channel), [missed, held])
  t.equal(here!.lossCount, before)
})
