import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/ably-clients.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const FILES_MAX = 300

t.test('clients cannot use up the files of a process: its workers go on', async (t) => {
  const command = `ulimit -n ${FILES_MAX}; exec "${process.execPath}" "${MAIN}" dev --port 0 ` +
    '--workers 1 --log-level warn'
  const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const url = (): string | undefined => /URL +(http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1]
  await until('it is ready', () => url() !== undefined)
  const sockets: Socket[] = []
  let closedCount = 0
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (let no = 0; no < 2 * FILES_MAX; no++) {
    const socket = connect(Number(new URL(url()!).port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.on('close', () => closedCount++)
    sockets.push(socket)
  }
  await until('what is too much is closed', () => closedCount >= FILES_MAX)
  // What workers do every second they do without files meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  for (const socket of sockets) socket.destroy()
  await until('all are closed', () => closedCount === sockets.length)
  t.equal((await fetch(`${url()}/time`)).status, 200)
  t.notMatch(output, /worker \d+ (failed|ended)/)
})
