/* History in a world of several regions: whatever was said anywhere is read everywhere, in the one
 * canonical order; what cannot be asked for is named. */

import t, { type Test } from 'tap'
import { archiveLimits } from '../../src/base/archive-limits.ts'
import { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { CHANNELS, type Scene, sceneOf, talk } from './scenes.ts'
import { type ReadPage, serialsOf, textsOf, WorldReader } from './world-reader.ts'

const KEPT = 'kept:a'

// The simulated archive tells eight records at a time.
Object.assign(archiveLimits, { archiveBackCount: 8 })

/** Every region tells the same, in either direction, whatever the pages. */
function readAlike(
  t: Test, regions: readonly Region[], channel: string, texts: readonly string[], limit = 7
): void {
  const orders = regions.map((region) => {
    const reader = new WorldReader(region)
    const forwards = reader.pages(channel, `direction=forwards&limit=${limit}`)
    const backwards = reader.pages(channel, `direction=backwards&limit=${limit}`)
    const serials = serialsOf(forwards)
    t.same(textsOf(forwards).toSorted(), texts.toSorted(), `all of ${channel} in ${region.name}`)
    t.same(serials, serials.toSorted(), 'in the order of serials')
    t.same(serialsOf(backwards).reverse(), serials, 'backwards as forwards')
    t.same([...forwards, ...backwards].filter(({ missing }) => missing !== undefined), [])
    t.equal(forwards.length, Math.ceil(texts.length / limit), 'with pages that are full')
    return textsOf(forwards)
  })
  for (const order of orders) t.same(order, orders[0], 'the same order everywhere')
}

/** Everybody says something on a channel, again and again; returns what was said. */
function say({ abroad, clients }: Scene, channel: string, count: number): string[] {
  const said: string[] = []
  for (let no = 0; no < count; no++) {
    for (const client of clients) said.push(...client.publish(channel))
    abroad.world.run(200)
  }
  return said
}

function attachAll({ abroad, clients }: Scene, channel: string): void {
  for (const client of clients) client.attach(channel)
  abroad.world.run(3_000)
}

t.test('[W1] history is read everywhere, once, in one order', async (t) => {
  const scene = sceneOf('read anywhere', ['eu', 'us', 'ap'])
  const said = talk(scene, 3_000)
  scene.abroad.world.run(3_000)
  for (const channel of CHANNELS) readAlike(t, scene.regions, channel, said.get(channel)!)
})

t.test('[W2] while a cable is cut what can be asked is told, the rest named', async (t) => {
  const scene = sceneOf('read while cut', ['eu', 'us', 'ap'])
  const { abroad, regions: [eu, us, ap], clients } = scene
  const said = talk(scene, 1_000)
  abroad.world.run(2_000)
  abroad.cut(eu!, us!)
  for (const [channel, texts] of talk(scene, 1_000)) said.get(channel)!.push(...texts)
  abroad.world.run(3_000)
  const of = (names: readonly string[]): string[] => said.get('a')!
    .filter((text) => names.some((name) => text.startsWith(name))).toSorted()
  const reads = [
    [eu!, ['eu', 'ap'], 'us'], [us!, ['us', 'ap'], 'eu'], [ap!, ['eu', 'us', 'ap'], undefined]
  ] as const
  for (const [region, names, missing] of reads) {
    const pages = new WorldReader(region).pages('a', 'direction=forwards&limit=10')
    t.same(textsOf(pages).toSorted(), of(names), `what ${region.name} can ask for`)
    t.same(new Set(pages.map((page) => page.missing)), new Set([missing]), 'on every page')
  }
  const { serial } = new WorldReader(us!).page('a', 'limit=1').items[0]!
  const sought = new WorldReader(eu!).ask(`/channels/a/messages/${serial}`)
  t.match(sought, { status: 404, headers: { 'x-ringcast-regions-missing': 'us' } })
  const place = encodeURIComponent(clients[2]!.channels.get('a')!.channelSerial!)
  const asked = new WorldReader(eu!).ask(`/channels/a/messages?from_serial=${place}`)
  t.match(asked, { status: 400, value: { error: { code: 90008 } } })
  t.equal(asked.headers['x-ringcast-regions-missing'], 'us', 'who may know of it')
  abroad.heal()
  abroad.world.run(20_000)
  readAlike(t, scene.regions, 'a', said.get('a')!)
  for (const client of clients) {
    const heard = client.heard.get('a')!.toSorted()
    t.same(heard, said.get('a')!.toSorted(), `what ${client.name} has heard`)
  }
})

t.test('[W2] a region that comes or goes between pages is named where it lacks', async (t) => {
  const scene = sceneOf('come and go', ['eu', 'us'])
  const { abroad, regions: [eu, us] } = scene
  const said = say(scene, 'a', 12)
  abroad.world.run(2_000)
  const reader = new WorldReader(eu!)
  const walk = (direction: string, cutPages: readonly number[]): ReadPage[] => {
    const pages: ReadPage[] = []
    let query: string | undefined = `direction=${direction}&limit=6`
    for (let no = 0; query !== undefined; no++) {
      if (cutPages.includes(no)) abroad.cut(eu!, us!)
      const page = reader.page('a', query)
      abroad.heal()
      pages.push(page)
      query = page.next
    }
    return pages
  }
  for (const direction of ['forwards', 'backwards']) {
    const gone = walk(direction, [1])
    t.same(gone.slice(0, 3).map(({ missing }) => missing), [undefined, 'us', undefined], direction)
    t.same(textsOf(gone).toSorted(), said.toSorted(), 'it goes on where it was')
    const late = walk(direction, [0])
    t.equal(late[0]!.missing, 'us')
    const texts = textsOf(late.slice(1))
    const all = serialsOf(late.slice(1))
    t.same(all, direction === 'forwards' ? all.toSorted() : all.toSorted().reverse())
    t.ok(texts.some((text) => text.startsWith('us')), 'and is read from then on')
    t.equal(new Set(textsOf(late)).size, textsOf(late).length, 'nothing is told twice')
  }
})

t.test('[W2] a region that is not heard for long is named, to who reads anew, too', async (t) => {
  const scene = sceneOf('out of it', ['eu', 'us'])
  const { abroad, regions: [eu, us] } = scene
  const said = say(scene, 'a', 6)
  abroad.world.run(2_000)
  const reader = new WorldReader(eu!)
  const first = reader.page('a', 'direction=forwards&limit=5')
  const { serial } = new WorldReader(us!).page('a', 'limit=1').items[0]!
  abroad.cut(eu!, us!)
  abroad.lose(eu!, us!)
  abroad.world.run(1_000)
  const rest = reader.pages('a', first.next!)
  t.same(rest.map(({ missing }) => missing), ['us', 'us'])
  t.same(textsOf([first, ...rest]).filter((text) => text.startsWith('eu')).toSorted(),
    said.filter((text) => text.startsWith('eu')).toSorted())
  t.equal(reader.page('a', 'limit=1').missing, 'us', 'and for who reads anew')
  abroad.world.run(200_000)
  const stats = (): string | undefined =>
    reader.ask('/stats?unit=month&limit=1').headers['x-ringcast-regions-missing']
  t.same([reader.page('a', '').missing, stats()], ['us', 'us'], 'however long')
  eu!.crash(eu!.running[0]!, 500, 1_000)
  abroad.world.run(15_000)
  t.same([reader.page('a', '').missing, stats()], ['us', 'us'], 'of workers that began since, too')
  t.match(reader.ask(`/channels/a/messages/${serial!.replace(/-\d+@/, '-099@')}`),
    { status: 404, headers: { 'x-ringcast-regions-missing': 'us' } })
  abroad.heal()
  abroad.world.run(20_000)
  t.same([reader.page('a', '').missing, stats()], [undefined, undefined], 'until it is there again')
})

t.test('[W1] links lead on while messages arrive', async (t) => {
  const scene = sceneOf('meanwhile', ['eu', 'us'])
  const said = say(scene, 'a', 8)
  scene.abroad.world.run(2_000)
  const reader = new WorldReader(scene.regions[0]!)
  for (const direction of ['backwards', 'forwards']) {
    const before = [...said]
    const pages = [reader.page('a', `direction=${direction}&limit=5`)]
    for (let next = pages[0]!.next; next !== undefined; next = pages.at(-1)!.next) {
      if (pages.length < 20) said.push(...say(scene, 'a', 1))
      else scene.abroad.world.run(1_000)
      pages.push(reader.page('a', next))
    }
    const texts = textsOf(pages)
    t.equal(new Set(texts).size, texts.length, `once, ${direction}`)
    if (direction === 'backwards') t.same(texts.toSorted(), before.toSorted(), 'what was there')
    else t.same(texts.toSorted(), said.toSorted(), 'and what came')
  }
})

t.test('[W1] persisted history of all regions, whoever masters it by now', async (t) => {
  const scene = sceneOf('persisted', ['eu', 'us'])
  const { abroad, regions, clients } = scene
  attachAll(scene, KEPT)
  const said = say(scene, KEPT, 10)
  for (const region of regions) region.crash(region.running[0]!, 1_000, 3_000)
  abroad.world.run(10_000)
  said.push(...say(scene, KEPT, 3))
  abroad.world.run(150_000)
  said.push(...say(scene, KEPT, 3))
  abroad.world.run(3_000)
  readAlike(t, regions, KEPT, said, 9)
  const [first] = new WorldReader(regions[1]!).pages(KEPT, 'limit=1&direction=forwards')
  const { serial, data } = first!.items[0]!
  const found = regions.map((region) =>
    new WorldReader(region).ask(`/channels/${KEPT}/messages/${serial}`).value.data)
  t.same(found, [data, data], 'a message is found by its serial, wherever it was born')
  for (const client of clients) client.detach(KEPT)
  abroad.world.run(400_000)
  readAlike(t, regions, KEPT, said, 9)
})

t.test('[W1] who came and went is read everywhere', async (t) => {
  const scene = sceneOf('presence read', ['eu', 'us'])
  const { abroad, regions, clients: [eu, , us] } = scene
  eu!.members.enter('a', ['anna', 'bert'])
  abroad.world.run(1_000)
  us!.members.enter('a', ['carl'])
  abroad.world.run(1_000)
  eu!.members.leave('a', ['anna'])
  abroad.world.run(2_000)
  const read = regions.map((region) => {
    const pages = new WorldReader(region).pages('a', 'direction=forwards&limit=2',
      'presence/history')
    return pages.flatMap(({ items }) => items.map(({ action, clientId }) => [action, clientId]))
  })
  t.same(read[0], [[2, 'anna'], [2, 'bert'], [2, 'carl'], [3, 'anna']])
  t.same(read[1], read[0])
})

t.test('[W3] until an attachment: what came before it, and nothing it was told', async (t) => {
  const scene = sceneOf('until', ['eu', 'us', 'ap'])
  const { abroad, regions, clients } = scene
  attachAll(scene, KEPT)
  for (const channel of ['a', KEPT]) {
    const said = say(scene, channel, 3)
    for (const region of regions) region.crash(region.running[0]!, 1_000, 3_000)
    abroad.world.run(10_000)
    said.push(...say(scene, channel, 2))
    for (const client of clients) said.push(...client.publish(channel))
    abroad.world.run(50)
    const late = new SimClient(regions[0]!, {
      name: `late on ${channel}`, format: 'json', echo: true, hasOwnIds: false,
      clientId: undefined, modes: undefined, params: undefined, hasTokens: false,
      chatter: undefined, isComet: false
    })
    late.connect()
    late.attach(channel)
    let serial: string | undefined
    for (let no = 0; no < 100; no++) {
      for (const client of clients) said.push(...client.publish(channel))
      abroad.world.run(20)
      serial ??= late.channels.get(channel)!.channelSerial
    }
    abroad.world.run(3_000)
    t.ok(serial)
    const heard = late.heard.get(channel)!
    const expected = said.filter((text) => !heard.includes(text)).toSorted()
    t.ok(expected.length > 0)
    for (const region of regions) {
      for (const direction of ['backwards', 'forwards']) {
        const query = `direction=${direction}&limit=10&from_serial=${encodeURIComponent(serial!)}`
        const pages = new WorldReader(region).pages(channel, query)
        t.same(textsOf(pages).toSorted(), expected, `${channel} in ${region.name} ${direction}`)
        t.same(pages.filter(({ missing }) => missing !== undefined), [])
      }
    }
    if (channel === KEPT) laterUntil(t, scene, serial!, { expected, heard })
  }
})

/** Long after, so that only the archive has what came then: at least what was there is told. */
function laterUntil(
  t: Test, { abroad, regions }: Scene, serial: string,
  { expected, heard }: { readonly expected: readonly string[]; readonly heard: readonly string[] }
): void {
  abroad.world.run(150_000)
  const reader = new WorldReader(regions[0]!)
  const all = reader.pages(KEPT, 'direction=forwards&limit=100').flatMap(({ items }) => items)
  const atMs = new Map(all.map(({ data, timestamp }) => [data as string, timestamp!]))
  const nextMs = Math.min(...heard.filter((text) => text.startsWith('eu'))
    .map((text) => atMs.get(text)!))
  for (const direction of ['backwards', 'forwards']) {
    const query = `direction=${direction}&limit=10&from_serial=${encodeURIComponent(serial)}`
    const texts = textsOf(reader.pages(KEPT, query))
    t.same(expected.filter((text) => !texts.includes(text)), [], 'nothing is left out')
    const more = texts.filter((text) => !expected.includes(text))
    t.ok(more.every((text) => atMs.get(text)! <= nextMs && !text.startsWith('eu')),
      'and nothing from after the next one that was born there', { more })
  }
}

t.test('[W4] a rewind of a persisted channel goes back to what all regions keep', async (t) => {
  const scene = sceneOf('rewound', ['eu', 'us'])
  const { abroad, regions, clients } = scene
  attachAll(scene, KEPT)
  const said = say(scene, KEPT, 4)
  abroad.world.run(150_000)
  const rewinding = (name: string, region: Region): SimClient => {
    const client = new SimClient(region, {
      name, format: 'json', echo: true, hasOwnIds: false, clientId: undefined, modes: undefined,
      params: { rewind: '10' }, hasTokens: false, chatter: undefined, isComet: false
    })
    client.connect()
    client.attach(KEPT)
    abroad.world.run(4_000)
    return client
  }
  const inOrder = textsOf(new WorldReader(regions[0]!).pages(KEPT, 'direction=forwards'))
  for (const region of regions) {
    t.same(rewinding(`late in ${region.name}`, region).heard.get(KEPT), inOrder.slice(-10))
  }
  said.push(...say(scene, KEPT, 1))
  abroad.world.run(1_000)
  for (const region of regions) {
    const { heard } = rewinding(`later in ${region.name}`, region)
    const [old, held] = [heard.get(KEPT)!.slice(0, 6), heard.get(KEPT)!.slice(6)]
    t.same(old, inOrder.slice(-6))
    t.same(held.toSorted(), said.slice(-4).toSorted(), 'and then what is held, as it was heard')
  }
  t.equal(clients.every(({ lossCount }) => lossCount === 0), true)
})

t.test('[W5] statistics are those of all regions', async (t) => {
  const scene = sceneOf('counted', ['eu', 'us'])
  const { abroad, regions: [eu, us] } = scene
  const said = say(scene, 'a', 10)
  abroad.world.run(15_000)
  const read = (region: Region): [number, string | undefined] => {
    const { value, headers } = new WorldReader(region).ask('/stats?unit=month&limit=1&v=5')
    const count = value[0].entries['messages.inbound.realtime.messages.count']
    return [count, headers['x-ringcast-regions-missing']]
  }
  for (const region of [eu!, us!]) t.same(read(region), [said.length, undefined])
  abroad.cut(eu!, us!)
  t.same(read(eu!), [said.length / 2, 'us'])
  t.same(read(us!), [said.length / 2, 'eu'])
})
