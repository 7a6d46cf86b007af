/**
 * Clients of the published SDK for tests: made for a port of this machine, closed at the end.
 */

import * as Ably from 'ably'

/** What of the SDK's options tests vary. */
export interface AblyOptions {
  readonly useBinaryProtocol?: boolean
  readonly echoMessages?: boolean
  readonly clientId?: string
  readonly transportParams?: Record<string, string | number | boolean>
  readonly recover?: string
  /** By name; without any, a socket. */
  readonly transports?: readonly string[]
  /** Other hosts, at the same port; the SDK tries them when the first cannot be reached. */
  readonly fallbackHosts?: readonly string[]
  /** Tokens instead of the key: one, or whoever makes them. */
  readonly token?: string
  readonly authCallback?: Ably.AuthOptions['authCallback']
  readonly plugins?: Ably.ClientOptions['plugins']
}

/** Something that runs a function when it ends, as tap's tests do. */
export interface Closing {
  teardown(run: () => unknown): void
}

/** A realtime client of the node at `url`, with `key` or the options' tokens, closed with `t`. */
export function ablyClient(
  t: Closing,
  url: string,
  key: string,
  options: AblyOptions = {}
): Ably.Realtime {
  const { hostname, port } = new URL(url)
  // The SDK's types leave out the retry times, which it takes all the same.
  const quick = { disconnectedRetryTimeout: 200, suspendedRetryTimeout: 500,
    channelRetryTimeout: 200 }
  const hasTokens = options.token !== undefined || options.authCallback !== undefined
  const where = { endpoint: hostname, port: Number(port), tls: false, logLevel: 0 as const }
  // Without fallback hosts there is nothing that the check (of a public site) would allow.
  const alone = { disableConnectivityCheck: true }
  const all = { ...hasTokens ? {} : { key }, ...where, ...quick, ...alone, ...options }
  const client = new Ably.Realtime(all as unknown as Ably.ClientOptions)
  t.teardown(() => client.close())
  return client
}

/** Resolves once `isTrue`; rejects, naming `what`, when that takes longer than the bound. */
export async function until(what: string, isTrue: () => boolean, boundMs = 15_000): Promise<void> {
  const endMs = performance.now() + boundMs
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`not within ${boundMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The error that a promise is rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<Ably.ErrorInfo> {
  try {
    await promise
  } catch (error) {
    return error as Ably.ErrorInfo
  }
  throw new Error('it was not rejected')
}

/** What a network does: the transports go without a word, and the client comes back. */
export function cutOff(client: Ably.Realtime): void {
  managerOf(client).disconnectAllTransports()
}

/** A process that dies: its socket goes, and nobody comes back. */
export function die(client: Ably.Realtime): void {
  const manager = managerOf(client)
  manager.startConnect = () => undefined
  manager.disconnectAllTransports()
}

/** It will ask for its connection by a key that is none. */
export function spoilKey(client: Ably.Realtime): void {
  const manager = managerOf(client)
  for (const each of [manager, manager.connectionDetails]) each.connectionKey = 'none!none'
}

function managerOf({ connection }: Ably.Realtime) {
  return (connection as unknown as {
    connectionManager: {
      connectionKey: string
      connectionDetails: { connectionKey: string }
      startConnect(): void
      disconnectAllTransports(): void
    }
  }).connectionManager
}

/** Who is present as soon as that is right; rejects when it takes too long. */
export async function presentWhen(
  { presence }: Ably.RealtimeChannel,
  isRight: (members: Ably.PresenceMessage[]) => boolean
): Promise<Ably.PresenceMessage[]> {
  let members = await presence.get()
  const look = async (): Promise<void> => {
    members = await presence.get()
  }
  await until('the right members', () => {
    void look()
    return isRight(members)
  })
  return members
}
