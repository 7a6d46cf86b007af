/* Who is present, how channels are used and which there are, read in any of several regions, also
 * where nobody uses the channel. */

import t from 'tap'
import type { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { CHANNELS, sceneOf } from './scenes.ts'
import { WorldReader } from './world-reader.ts'

interface Read<T> {
  readonly told: T
  readonly missing: string | undefined
}

interface Details {
  readonly channelId: string
  readonly status: {
    readonly isActive: boolean
    readonly occupancy: { readonly metrics: Readonly<Record<string, number>> }
  }
}

function read<T>(region: Region, target: string): Read<T> {
  const { status, headers, value } = new WorldReader(region).ask(target)
  if (status !== 200) throw new Error(`${target}: ${status} ${JSON.stringify(value)}`)
  return { told: value as T, missing: headers['x-ringcast-regions-missing'] }
}

/** Names of members, by pages of so many. */
function present(region: Region, channel: string, limit = 100): Read<string[]> {
  const pages = new WorldReader(region).pages(channel, `limit=${limit}`, 'presence')
  const told = pages.flatMap(({ items }) =>
    (items as readonly { clientId?: string }[]).map(({ clientId }) => clientId!)).toSorted()
  return { told, missing: pages[0]!.missing }
}

/** Whether it is active, how many are attached, how many are present. */
function use(region: Region, channel: string): Read<unknown[]> {
  const { told, missing } = read<Details>(region, `/channels/${channel}`)
  return { told: shortly(told), missing }
}

function shortly({ status: { isActive, occupancy: { metrics } } }: Details): unknown[] {
  return [isActive, metrics['connections'], metrics['presenceMembers']]
}

function members(client: SimClient, channel: string, ...names: string[]): void {
  client.members.enter(channel, names)
}

t.test('[W15] what is used in one region is read in all', async (t) => {
  const { abroad, clients, regions } = sceneOf('read who is there', ['eu', 'us', 'ap'])
  const [eu0, eu1, us0] = clients
  for (const client of [eu0!, eu1!]) client.attach('room')
  for (const client of [eu0!, us0!]) client.attach('both')
  abroad.world.run(3_000)
  members(eu0!, 'room', 'anna', 'ben')
  members(eu1!, 'room', 'carl')
  members(eu0!, 'both', 'anna')
  members(us0!, 'both', 'dora', 'emil')
  abroad.world.run(3_000)
  for (const region of regions) {
    const { name } = region
    for (const limit of [1, 2, 100]) {
      t.same(present(region, 'room', limit), { told: ['anna', 'ben', 'carl'], missing: undefined },
        name)
      t.same(present(region, 'both', limit), { told: ['anna', 'dora', 'emil'], missing: undefined },
        name)
    }
    t.same(use(region, 'room'), { told: [true, 2, 3], missing: undefined }, name)
    t.same(use(region, 'both'), { told: [true, 2, 3], missing: undefined }, name)
    t.same(use(region, 'nobody'), { told: [false, 0, 0], missing: undefined }, name)
    const names = [...CHANNELS, 'both', 'room'].toSorted()
    t.same(read(region, '/channels?by=id'), { told: names, missing: undefined }, name)
    const { told } = read<Details[]>(region, '/channels?by=value&prefix=r')
    t.same(told.map((each) => [each.channelId, ...shortly(each)]), [['room', true, 2, 3]], name)
    t.equal(read<Details[]>(region, '/channels?by=value').told.length, names.length, name)
    const batch = read<{ channel: string; presence: { clientId: string }[] }[]>(region,
      '/presence?channels=room,both')
    t.same(batch.told.map(({ presence }) => presence.map(({ clientId }) => clientId).toSorted()),
      [['anna', 'ben', 'carl'], ['anna', 'dora', 'emil']], name)
    t.equal(batch.missing, undefined, name)
  }
  eu0!.members.leave('room', ['anna'])
  us0!.detach('both')
  abroad.world.run(3_000)
  for (const region of regions) {
    t.same(present(region, 'room').told, ['ben', 'carl'])
    t.same(present(region, 'both').told, ['anna'])
    t.same(use(region, 'both').told, [true, 1, 1])
  }
})

t.test('[W2] a region that cannot be asked is named, and is read when it can', async (t) => {
  const { abroad, clients, regions: [eu, us, ap] } = sceneOf('reads while cut', ['eu', 'us', 'ap'])
  const [eu0, , us0] = clients
  for (const client of [eu0!, us0!]) client.attach('both')
  eu0!.attach('room')
  abroad.world.run(3_000)
  members(eu0!, 'room', 'anna', 'ben')
  members(eu0!, 'both', 'anna')
  members(us0!, 'both', 'dora')
  abroad.world.run(3_000)
  abroad.cut(eu!, us!)
  abroad.world.run(3_000)
  const missing = 'eu'
  t.same(present(us!, 'room'), { told: [], missing })
  t.same(present(us!, 'both'), { told: ['anna', 'dora'], missing }, 'who is thought to be there')
  t.same(use(us!, 'both'), { told: [true, 1, 2], missing })
  t.same(read(us!, '/channels?by=id'), { told: [...CHANNELS, 'both'].toSorted(), missing })
  t.same(read(us!, '/channels?by=value').missing, missing)
  t.same(read(us!, '/presence?channels=both,room').missing, missing)
  t.same(present(ap!, 'room'), { told: ['anna', 'ben'], missing: undefined })
  t.same(present(ap!, 'both'), { told: ['anna', 'dora'], missing: undefined })
  abroad.lose(eu!, us!)
  abroad.world.run(1_000)
  t.same(present(us!, 'both'), { told: ['anna', 'dora'], missing }, 'nor is it heard of any more')
  t.same(use(us!, 'both'), { told: [true, 1, 2], missing })
  t.same(read(us!, '/channels?by=id').missing, missing)
  abroad.heal()
  abroad.world.run(10_000)
  for (const region of [eu!, us!, ap!]) {
    t.same(present(region, 'room'), { told: ['anna', 'ben'], missing: undefined })
    t.same(present(region, 'both'), { told: ['anna', 'dora'], missing: undefined })
    t.same(use(region, 'both'), { told: [true, 2, 2], missing: undefined })
    t.same(read(region, '/channels').missing, undefined)
  }
})

t.test('[W15] who stays is on one page, whoever comes and goes between pages', async (t) => {
  const { abroad, clients, regions } = sceneOf('read on', ['eu', 'us', 'ap'])
  const [eu0, , us0] = clients
  for (const client of [eu0!, us0!]) client.attach('room')
  abroad.world.run(3_000)
  const staying = Array.from({ length: 12 }, (_, at) => `s${at}`)
  for (const [at, name] of staying.entries()) members([eu0!, us0!][at % 2]!, 'room', name)
  members(eu0!, 'room', 'l0', 'l1')
  abroad.world.run(3_000)
  const readers = [regions[2]!, regions[0]!].map((region) => new WorldReader(region))
  const told: string[] = []
  let query: string | undefined = 'limit=3'
  for (let no = 0; query !== undefined; no++) {
    // A link leads on in any region.
    const page = readers[no % 2]!.page('room', query, 'presence')
    told.push(...(page.items as readonly { clientId?: string }[]).map((each) => each.clientId!))
    query = page.next
    members(us0!, 'room', `n${no}`)
    if (no === 0) eu0!.members.leave('room', ['l0', 'l1'])
    abroad.world.run(1_000)
  }
  t.same(told.filter((name) => name.startsWith('s')).toSorted(), staying.toSorted())
  t.equal(new Set(told).size, told.length, 'nobody twice')
})
