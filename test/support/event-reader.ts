/** A reader of server-sent events, as browsers parse them. */

import type { Closing } from './ably-clients.ts'

export interface ReadEvent {
  readonly id: string | undefined
  readonly name: string
  readonly data: string
}

export class EventReader {
  readonly events: ReadEvent[] = []
  text = ''
  isOver = false
  #lastId: string | undefined
  readonly #abort = new AbortController()

  private constructor(response: Response) {
    void this.#read(response)
  }

  /** Reads `path` of the node at `url` until `t` ends; rejects when the answer is no stream. */
  static async open(
    t: Closing, url: string, path: string, headers: Record<string, string> = {}
  ): Promise<EventReader> {
    const abort = new AbortController()
    const response = await fetch(`${url}${path}`, { headers, signal: abort.signal })
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
    const reader = new EventReader(response)
    reader.#abort.signal.addEventListener('abort', () => abort.abort())
    t.teardown(() => reader.close())
    return reader
  }

  /** The data of the events of this name, in order. */
  dataOf(name: string): string[] {
    return this.events.filter((event) => event.name === name).map(({ data }) => data)
  }

  get lastId(): string {
    return this.#lastId!
  }

  close(): void {
    this.#abort.abort()
  }

  async #read(response: Response): Promise<void> {
    let rest = ''
    try {
      for await (const chunk of response.body!) {
        const text = Buffer.from(chunk).toString('utf8')
        this.text += text
        const blocks = `${rest}${text}`.split('\n\n')
        rest = blocks.pop()!
        for (const block of blocks) this.#take(block)
      }
    } catch {
      // It was closed by us, or cut by the server.
    }
    this.isOver = true
  }

  #take(block: string): void {
    const said = block.split('\n').filter((line) => line !== '' && !line.startsWith(':'))
    const fields = said.map((line) => /^(\w+): ?(.*)$/.exec(line)!.slice(1) as [string, string])
    const find = (name: string): string | undefined => fields.find(([each]) => each === name)?.[1]
    const lines = fields.filter(([name]) => name === 'data').map(([, text]) => text)
    this.#lastId = find('id') ?? this.#lastId
    // Without data there is no event, and the id counts all the same.
    if (lines.length === 0) return
    const data = lines.join('\n')
    this.events.push({ id: find('id'), name: find('event') ?? 'message', data })
  }
}
