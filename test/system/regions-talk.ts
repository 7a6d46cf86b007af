/*
What clients in several regions say to each other on the same channels, and what each of them hears:
all of it, or all but what it was told to be lost.
*/

import { setTimeout as delay } from 'node:timers/promises'
import type * as Ably from 'ably'
import type { Test } from 'tap'
import { type Teardowns, until } from './node-rig.ts'

/** How often something is said until it is heard; more than the slowest way takes. */
const SAID_MS = 400

/** Regions in which there can be clients. */
export interface TalkGround {
  readonly regions: readonly { readonly name: string }[]
  /** What a whole outage of a way may take to be made good. */
  readonly healedMs: number
  client(t: Teardowns, name: string): Ably.Realtime
  /** What regions know of each other, a line each, for who wonders why something never came. */
  known?(): Promise<readonly string[]>
}

interface Heard {
  readonly text: string
  /** What is the same everywhere: id, serial and timestamp. */
  readonly mark: string
  /** How often it was told before that something of the channel is lost. */
  readonly lossCount: number
}

interface Talker {
  readonly region: string
  readonly client: Ably.Realtime
  /** By channel. */
  readonly heard: ReadonlyMap<string, Heard[]>
  /** Channels of which something is lost, with the code that says so. */
  readonly losses: { readonly channel: string; readonly code: number | undefined }[]
}

/** A client in each region, and all of them talk on the same channels. */
export class Talk {
  readonly #talkers: readonly Talker[]
  readonly #ground: TalkGround
  /** By channel, then by region: what its client said, in order. */
  readonly #said = new Map<string, Map<string, string[]>>()
  #no = 0

  private constructor(
    talkers: readonly Talker[], channels: readonly string[], ground: TalkGround
  ) {
    this.#talkers = talkers
    this.#ground = ground
    for (const channel of channels) {
      this.#said.set(channel, new Map(talkers.map(({ region }) => [region, []])))
    }
  }

  /** Resolves when all of them are attached to all channels. */
  static async begin(t: Test, ground: TalkGround, channels: readonly string[]): Promise<Talk> {
    const talkers = ground.regions.map(({ name: region }): Talker => ({
      region, client: ground.client(t, region), losses: [],
      heard: new Map(channels.map((channel) => [channel, []]))
    }))
    await Promise.all(talkers.flatMap(({ client, heard, losses }) => channels.map(async (name) => {
      const channel = client.channels.get(name)
      await channel.subscribe(({ data, id, serial, timestamp }) => {
        const lossCount = losses.filter(({ channel: of }) => of === name).length
        heard.get(name)!.push({ text: data, mark: `${id} ${serial} ${timestamp}`, lossCount })
      })
      channel.on(['attached', 'update'], ({ resumed, reason }) => {
        if (!resumed) losses.push({ channel: name, code: reason?.code })
      })
    })))
    return new Talk(talkers, channels, ground)
  }

  /** Everybody says `count` more on every channel; resolves when all is acknowledged. */
  async say(count: number, among = this.#talkers.map(({ region }) => region)): Promise<void> {
    const acknowledged: Promise<unknown>[] = []
    for (let at = 0; at < count; at++) {
      for (const { region, client } of this.#talkers) {
        if (!among.includes(region)) continue
        for (const [name, said] of this.#said) {
          const text = `${region} ${++this.#no}`
          said.get(region)!.push(text)
          acknowledged.push(client.channels.get(name).publish('n', text))
        }
      }
    }
    await Promise.all(acknowledged)
  }

  /** Whether the client in `at` has heard all that was said in `of` so far. */
  hasHeard(at: string, of: string): boolean {
    const { heard } = this.#talkers.find(({ region }) => region === at)!
    return [...this.#said].every(([name, said]) => {
      const texts = new Set(heard.get(name)!.map(({ text }) => text))
      return said.get(of)!.every((text) => texts.has(text))
    })
  }

  #hasHeardLast(at: string, of: string): boolean {
    const { heard } = this.#talkers.find(({ region }) => region === at)!
    return [...this.#said].every(([name, said]) => {
      const last = said.get(of)!.at(-1)
      return heard.get(name)!.some(({ text }) => text === last)
    })
  }

  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    try {
      await until(what, isSo, this.#ground.healedMs)
    } catch (error) {
      const known = await this.#ground.known?.() ?? []
      throw new Error([(error as Error).message, ...known].join('\n'), { cause: error })
    }
  }

  /** Waits until everybody in `at` has heard everybody in `of`. */
  async untilHeard(at: readonly string[], of: readonly string[] = at): Promise<void> {
    for (const here of at) {
      for (const there of of) {
        await this.#until(`${here} heard ${there}`, () => this.hasHeard(here, there))
      }
    }
  }

  /** Everybody heard everything once, in the order of each, alike, and was told of no loss. */
  async wholeIn(t: Test): Promise<void> {
    const names = this.#talkers.map(({ region }) => region)
    await this.untilHeard(names)
    for (const { region, heard, losses } of this.#talkers) {
      for (const [name, said] of this.#said) {
        const texts = heard.get(name)!.map(({ text }) => text)
        const saidCount = [...said.values()].flat().length
        t.equal(texts.length, saidCount, `${region} heard each once, ${name}`)
        for (const [of, own] of said) {
          const from = texts.filter((text) => text.startsWith(`${of} `))
          t.same(from, own, `${region} heard ${of} in order, ${name}`)
        }
        t.same(marksOf(heard.get(name)!), marksOf(this.#talkers[0]!.heard.get(name)!),
          `ids and serials are the same in ${region}, ${name}`)
      }
      t.same(losses, [], `${region} was told of no loss`)
    }
  }

  /** Everybody says something now and then, until everybody hears the newest of everybody. */
  async goesOn(): Promise<void> {
    const names = this.#talkers.map(({ region }) => region)
    await this.#until('the newest is heard everywhere', async () => {
      await this.say(1)
      await delay(SAID_MS)
      return names.every((at) => names.every((of) => this.#hasHeardLast(at, of)))
    })
  }

  /** Waits until a region can tell nothing more of what was said in it. */
  async untilForgotten(region: string): Promise<void> {
    const { client } = this.#talkers.find((talker) => talker.region === region)!
    for (const name of this.#said.keys()) {
      await this.#until(`${region} forgets ${name}`, async () => {
        const { items } = await client.channels.get(name).history()
        return items.every(({ data }) => !String(data).startsWith(`${region} `))
      })
    }
  }

  /**
   * Everybody heard what it heard once, and in the order of each; where something is missing it
   * was told so, with 90003, before it heard what follows. Returns how much is missing of what was
   * said in `of`, as heard in `at`.
   */
  missing(t: Test, at: string, of: string): number {
    const { heard, losses } = this.#talkers.find(({ region }) => region === at)!
    let count = 0
    for (const [name, said] of this.#said) {
      const own = said.get(of)!
      let [next, lossCount] = [0, 0]
      for (const each of heard.get(name)!.filter(({ text }) => text.startsWith(`${of} `))) {
        const no = own.indexOf(each.text, next)
        if (no < 0) t.fail(`${at} heard ${each.text} again, or late, ${name}`)
        if (no > next) {
          t.ok(each.lossCount > lossCount, `${at} knew what it missed of ${of}, ${name}`)
          count += no - next
        }
        [next, lossCount] = [no + 1, each.lossCount]
      }
      t.equal(next, own.length, `${at} heard the last of ${of}, ${name}`)
    }
    for (const { code, channel } of losses) t.equal(code, 90003, `${at}, ${channel}`)
    return count
  }
}

function marksOf(heard: readonly Heard[]): readonly string[] {
  return heard.map(({ text, mark }) => `${text}: ${mark}`).sort()
}
