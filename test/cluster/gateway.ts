/**
 * The way from the host's loopback into the cluster's network. A process inside the hub's network
 * namespace listens on a Unix socket, which any process of the host can reach; the first line of
 * a connection names the address to go on to. On the host a listener of the loopback puts that
 * line in front of every connection it accepts.
 *
 *   node gateway.ts inside  <socket>                                (a service of the hub)
 *   node gateway.ts forward <socket> <host> <port> <port file>      (a process of the host)
 */

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

const headerBytesMax = 300
const connectTimeoutMs = 2_000

export type Target = { host: string, port: number }

/** Where to go on to, asked for every connection; none is refused. */
export type Aim = Target | (() => Target | undefined)

export type Forward = {
  /** Port of the loopback that leads to the target. */
  readonly port: number
  /** Stops listening and ends the connections that go through. */
  close(): Promise<void>
}

/** Opens a port of the loopback that leads, through the gateway's socket, to where `aim` says. */
export async function openForward (
  socketPath: string, aim: Aim, where: Target = { host: '127.0.0.1', port: 0 }
): Promise<Forward> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, outer => {
    const target = typeof aim === 'function' ? aim() : aim
    if (target === undefined) {
      outer.destroy()
      return
    }
    open.add(outer)
    outer.once('close', () => open.delete(outer))
    const inner = connect({ path: socketPath, allowHalfOpen: true })
    inner.write(`${target.host} ${target.port}\n`)
    join(outer, inner)
  })
  await listening(server, where)
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of open) socket.destroy()
    })
  }
}

/** Serves the inner end on a Unix socket until the process ends. */
async function serveInside (socketPath: string): Promise<void> {
  rmSync(socketPath, { force: true })
  const server = createServer({ allowHalfOpen: true }, outer => readTarget(outer, target => {
    const inner = connect({ ...target, allowHalfOpen: true, noDelay: true })
    // An address that no pod has any more answers nothing; as a proxy would, we do not wait long.
    const patience = setTimeout(() => inner.destroy(), connectTimeoutMs)
    for (const event of ['connect', 'close']) inner.once(event, () => clearTimeout(patience))
    join(outer, inner)
  }))
  await listening(server, { path: socketPath })
}

/** Reads the first line, hands on what it names, and leaves all bytes after it unread. */
function readTarget (outer: Socket, onTarget: (target: Target) => void): void {
  let header = Buffer.alloc(0)
  const dropBroken = () => { outer.destroy() }
  const onData = (chunk: Buffer) => {
    header = Buffer.concat([header, chunk])
    const end = header.indexOf('\n')
    if (end < 0 && header.length <= headerBytesMax) return
    outer.pause()
    outer.off('data', onData)
    outer.off('error', dropBroken)
    const [host = '', port = ''] = header.toString('utf8', 0, Math.max(end, 0)).split(' ')
    if (host === '' || !/^\d+$/.test(port)) {
      outer.destroy()
      return
    }
    if (end + 1 < header.length) outer.unshift(header.subarray(end + 1))
    onTarget({ host, port: Number(port) })
  }
  outer.on('data', onData)
  outer.on('error', dropBroken)
}

/** Carries bytes both ways; when one side breaks, so does the other. */
function join (one: Socket, other: Socket): void {
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.pipe(to)
    from.on('error', () => { to.destroy() })
    from.on('close', () => to.destroySoon())
  }
}

function listening (server: Server, where: { path: string } | Target): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => resolve())
  })
}

async function main ([mode, socketPath = '', host = '', port = '', portFile = '']: string[]) {
  if (mode === 'inside') {
    await serveInside(socketPath)
    return
  }
  const forward = await openForward(socketPath, { host, port: Number(port) })
  // Renamed into place, so that whoever waits for the file never reads half of it.
  writeFileSync(`${portFile}.new`, String(forward.port))
  renameSync(`${portFile}.new`, portFile)
}

if (import.meta.main) await main(process.argv.slice(2))
