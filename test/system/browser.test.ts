/** The SDK in a browser, on a page of another origin, over each transport that it has there. */

import type * as Ably from 'ably'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, until } from '../support/ably-clients.ts'
import { browserObstacle, sdkPage } from '../support/browser.ts'
import { Service } from '../support/service.ts'

const COUNT = 40

interface Told {
  readonly state: string
  readonly transport: string
  readonly heard: readonly string[]
  readonly members: readonly string[]
}

/** What the page does; it runs there, and knows nothing of here. */
async function inPage(
  { options, name, count }: { options: object; name: string; count: number }
): Promise<void> {
  const page = globalThis as unknown as { Ably: typeof Ably; told: () => Told }
  const client = new page.Ably.Realtime(options as Ably.ClientOptions)
  const heard: string[] = []
  const members: string[] = []
  const channel = client.channels.get(name)
  page.told = () => {
    const { connectionManager } = client.connection as unknown as {
      connectionManager: { activeProtocol: { transport: { shortName: string } } | null }
    }
    const transport = connectionManager.activeProtocol?.transport.shortName ?? ''
    return { state: client.connection.state, transport, heard, members }
  }
  await channel.subscribe(({ data }) => void heard.push(data as string))
  await channel.presence.subscribe('enter', ({ clientId }) => void members.push(clientId))
  for (let no = 0; no < count; no++) await channel.publish('n', `page ${no}`)
}

async function over(t: Test, page: Page, region: DevRegion, transport: string, url: string) {
  const name = `browser-${transport}`
  const { hostname, port } = new URL(url)
  const options = {
    key: region.key, clientId: 'page', endpoint: hostname, port: Number(port), tls: false,
    transports: [transport], connectivityCheckUrl: `${url}/is-the-internet-up.txt`,
    useBinaryProtocol: true
  }
  const other = ablyClient(t, region.urls[1]!, region.key, { clientId: 'other' })
    .channels.get(name)
  const heardByOther: string[] = []
  await other.subscribe(({ data }) => void heardByOther.push(data as string))
  await page.evaluate(inPage, { options, name, count: COUNT })
  for (let no = 0; no < COUNT; no++) await other.publish('n', `other ${no}`)
  await other.presence.enter()
  let told: Told | undefined
  const look = async (): Promise<void> => {
    told = await page.evaluate(() => (globalThis as unknown as { told: () => Told }).told())
  }
  const timer = setInterval(() => void look(), 100)
  t.teardown(() => clearInterval(timer))
  await until('all on both sides', () => heardByOther.length === 2 * COUNT &&
    told?.heard.length === 2 * COUNT && told.members.length === 1, 30_000)
  t.match(told, { state: 'connected', transport, members: ['other'] })
  t.same(told!.heard, heardByOther, 'the same order')
}

t.test('the SDK in a browser', { skip: browserObstacle() }, async (t) => {
  const region = await startDevRegion({
    nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const page = await sdkPage(t)
  const service = await Service.of(t, region.urls)
  t.test('[T16] over a socket', (t) => over(t, page, region, 'web_socket', region.urls[0]!))
  t.test('[T16] over xhr_polling, each request to another node', (t) =>
    over(t, page, region, 'xhr_polling', service.url))
  t.test('[T16] events, by the browser\'s own reader', async (t) => {
    const path = `/sse?v=3&channel=events&enveloped=false&key=${encodeURIComponent(region.key)}`
    await page.evaluate((url) => {
      const scope = globalThis as unknown as { events: string[] }
      scope.events = []
      const source = new EventSource(url)
      source.addEventListener('message', ({ data }) => void scope.events.push(String(data)))
      return new Promise((resolve) => source.addEventListener('open', resolve))
    }, `${region.urls[0]}${path}`)
    const channel = ablyClient(t, region.urls[1]!, region.key).channels.get('events')
    for (const data of ['one', 'two\nlines']) await channel.publish('n', data)
    let events: string[] = []
    const look = async (): Promise<void> => {
      events = await page.evaluate(() => (globalThis as unknown as { events: string[] }).events)
    }
    const timer = setInterval(() => void look(), 100)
    t.teardown(() => clearInterval(timer))
    await until('both', () => events.length === 2)
    t.same(events, ['one', 'two\nlines'])
  })
  t.test('[T16] requests that show a key: history, and a publish', async (t) => {
    const { hostname, port } = new URL(region.urls[0]!)
    const options = { key: region.key, endpoint: hostname, port: Number(port), tls: false }
    const read = await page.evaluate(async (given) => {
      const { Ably: sdk } = globalThis as unknown as { Ably: typeof Ably }
      const channel = new sdk.Rest(given as Ably.ClientOptions).channels.get('by-request')
      await channel.publish('n', 'from the page')
      const { items } = await channel.history()
      return items.map(({ data }) => data as string)
    }, options)
    t.same(read, ['from the page'])
  })
  t.test('[T17] the check of the internet, from a page', async (t) => {
    const text = await page.evaluate(async (url) => (await fetch(url)).text(),
      `${region.urls[0]}/is-the-internet-up.txt`)
    t.equal(text.trim(), 'yes')
  })
})
