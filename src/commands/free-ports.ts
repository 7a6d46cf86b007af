/** Ports that nobody uses, for who must know a port before anybody listens on it. */

import { randomInt } from 'node:crypto'
import { type AddressInfo, createServer, type Server } from 'node:net'

/**
 * Below what Linux and macOS give to outgoing connections, any of which would take a port away
 * between its choice and its use, or while its node is restarted.
 */
const CHOSEN_FROM = { min: 16_384, max: 32_768 }
const ATTEMPTS_MAX = 100

/**
 * `count` different TCP ports of `host` (an address) that are free now: `port` and those after it,
 * or any where `port` is 0. Each is held until all are found; none is held afterwards. Rejects with
 * an Error that names address and cause when one of those asked for is taken.
 */
export async function freePorts(host: string, port: number, count: number): Promise<number[]> {
  const holders: Server[] = []
  try {
    while (holders.length < count) {
      holders.push(await (port === 0 ? holdAny(host) : hold(host, port + holders.length)))
    }
    return holders.map((holder) => (holder.address() as AddressInfo).port)
  } finally {
    await Promise.all(holders.map(released))
  }
}

async function holdAny(host: string): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await hold(host, randomInt(CHOSEN_FROM.min, CHOSEN_FROM.max))
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error
    }
  }
}

function hold(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) => {
      reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
    })
    server.listen({ port, host, exclusive: true }, () => resolve(server))
  })
}

function released(holder: Server): Promise<void> {
  return new Promise((resolve) => holder.close(() => resolve()))
}
