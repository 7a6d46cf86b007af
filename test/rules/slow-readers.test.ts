import { get, type IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { until } from '../support/ably-clients.ts'
import { EventReader } from '../support/event-reader.ts'
import type { Told } from '../support/plain-socket.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const JSON_ONLY = ['json'] as const
const DISCONNECTED = 6
const ATTACH = 10
const ATTACHED = 11
const MESSAGE = 15
const SYNC = 16
const CHANNELS = 10
const PER_CHANNEL = 50
const LARGE = 'x'.repeat(60_000)

/** Publishes more than anything between keeps, from node 0; a witness of node 2 hears it all. */
async function publishMuch(t: Test, on: Stage, names: readonly string[]): Promise<void> {
  const [publisher, witness] = [on.client(t, 0), on.client(t, 2)]
  let witnessed = 0
  for (const name of names) await witness.channels.get(name).subscribe(() => void witnessed++)
  for (let no = 0; no < PER_CHANNEL; no++) {
    await Promise.all(names.map((name) =>
      publisher.channels.get(name).publish('large', `${no} ${LARGE}`)))
  }
  await until('others are not held up', () => witnessed === CHANNELS * PER_CHANNEL)
}

/** A response of which nothing is read yet. */
function unread(t: Test, url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = get(url, resolve)
    request.on('error', reject)
    t.teardown(() => request.destroy())
  })
}

/** All that there is of a response, cut off or not. */
async function restOf(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  try {
    for await (const part of response) text += part as string
  } catch {
    // It was cut off.
  }
  return text
}

function numberOf(data: unknown): string {
  const text = String(data)
  return text.slice(0, text.indexOf(' '))
}

/** The numbers of the messages of each channel. */
function heardOn(all: readonly Told[]): Map<string, string[]> {
  const heard = new Map<string, string[]>()
  for (const { action, channel, messages } of all) {
    if (action !== MESSAGE) continue
    const known = heard.get(channel!) ?? []
    heard.set(channel!, [...known, ...messages!.map(({ data }) => numberOf(data))])
  }
  return heard
}

const wanted = Array.from({ length: PER_CHANNEL }, (_, no) => String(no))
const namesOf = (on: Stage, base: string): string[] =>
  Array.from({ length: CHANNELS }, (_, no) => on.name(`${base}${no}`))

/** What a response of comet tells, streamed or not. */
function linesOf(text: string): Told[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.flatMap((line) => JSON.parse(line) as Told[])
}

/** A comet connection by hand, at node 2. */
class Comet {
  readonly #url: string
  readonly #query: string
  path = ''

  constructor(on: Stage) {
    this.#url = `${on.url(2)}/comet/`
    this.#query = `key=${encodeURIComponent(on.key)}`
  }

  urlOf(path: string, params = ''): string {
    return `${this.#url}${path}?${this.#query}${params}`
  }

  /** What it is told first, of which the path of its later requests is known. */
  begin(told: readonly Told[]): void {
    const { connectionKey } = told[0]!.connectionDetails as { connectionKey: string }
    this.path = encodeURIComponent(connectionKey)
  }

  async recv(): Promise<Told[]> {
    return linesOf(await (await fetch(this.urlOf(`${this.path}/recv`))).text())
  }

  async attach(names: readonly string[]): Promise<void> {
    const response = await fetch(this.urlOf(`${this.path}/send`), {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify(names.map((channel) => ({ action: ATTACH, channel })))
    })
    await response.arrayBuffer()
  }
}

/** Goes on by a socket of another node, and holds that nothing is missed or told twice. */
async function goesOn(
  t: Test, on: Stage, names: readonly string[], told: readonly Told[]
): Promise<void> {
  const resume = (told[0]!.connectionDetails as { connectionKey: string }).connectionKey
  const back = await on.socket(t, 1, { params: { resume } })
  t.match(back.all[0], { connectionId: told[0]!.connectionId, error: undefined })
  for (const channel of names) {
    const last = told.findLast((each) => each.channel === channel && each.action !== SYNC)
    back.send({ action: ATTACH, channel, channelSerial: last?.channelSerial })
  }
  const countOf = (all: readonly Told[]): number =>
    all.reduce((sum, { messages = [] }) => sum + messages.length, 0)
  const heardCount = countOf(told)
  await until('all is heard', () =>
    heardCount + countOf(back.all) >= CHANNELS * PER_CHANNEL, 30_000)
  const heard = heardOn([...told, ...back.all])
  for (const name of names) t.same(heard.get(name), wanted)
}

/** Goes on until it is told that it was too slow. */
async function isToldOff(t: Test, comet: Comet, told: Told[]): Promise<void> {
  while (told.at(-1)!.action !== DISCONNECTED) told.push(...await comet.recv())
  t.match(told.at(-1)!.error, { code: 80003, statusCode: 503 })
}

ruleFile('slow readers', (rule) => {
  rule('T18', 'over comet, polled: who does not come for it', async (t, on) => {
    const names = namesOf(on, 'polled')
    const comet = new Comet(on)
    const first = await fetch(comet.urlOf('connect', '&v=6&stream=false'))
    const told = await first.json() as Told[]
    comet.begin(told)
    await comet.attach(names)
    while (told.filter(({ action }) => action === ATTACHED).length < CHANNELS) {
      told.push(...await comet.recv())
    }
    await publishMuch(t, on, names)
    await isToldOff(t, comet, told)
    await goesOn(t, on, names, told)
  }, JSON_ONLY)

  rule('T18', 'over comet, streamed: who does not read', async (t, on) => {
    const names = namesOf(on, 'streamed')
    const comet = new Comet(on)
    const stream = await unread(t, comet.urlOf('connect', '&v=6&stream=true'))
    let text = String(await new Promise<Buffer>((resolve) => stream.once('data', resolve)))
    stream.pause()
    comet.begin(linesOf(text.split('\n')[0]!))
    await comet.attach(names)
    await publishMuch(t, on, names)
    text += await restOf(stream)
    const told = linesOf(text)
    // Or the response was long enough: then it is told by the next one.
    await isToldOff(t, comet, told)
    await goesOn(t, on, names, told)
  }, JSON_ONLY)

  rule('T18', 'a stream of events is cut off, and goes on by its last id', async (t, on) => {
    const names = namesOf(on, 'events')
    const query = new URLSearchParams({ v: '3', key: on.key, channels: names.join(',') })
    const path = `/sse?${query}`
    const stream = await unread(t, `${on.url(2)}${path}`)
    await publishMuch(t, on, names)
    const whole = (await restOf(stream)).split('\n\n').slice(0, -1)
    const events = whole.filter((block) => block.includes('event: message'))
    const read = events.map((block) => JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as {
      channel: string, data: string
    })
    t.ok(read.length < CHANNELS * PER_CHANNEL, `it was cut off after ${read.length} events`)
    const id = /^id: ?(.*)$/m.exec(whole.findLast((block) => /^id:/m.test(block))!)![1]!
    const again = await EventReader.open(t, on.url(1), path, { 'last-event-id': id })
    await until('the rest', () =>
      read.length + again.dataOf('message').length >= CHANNELS * PER_CHANNEL, 30_000)
    read.push(...again.dataOf('message').map((data) => JSON.parse(data) as typeof read[0]))
    for (const name of names) {
      t.same(read.filter(({ channel }) => channel === name).map(({ data }) => numberOf(data)),
        wanted)
    }
  }, JSON_ONLY)
})
