/*
The command line as a person uses it: what it prints, what it does, and how it says no.
*/

import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ablyClient, type Closing, until } from '../support/ably-clients.ts'
import {
  runCommand, type RunningCommand, startCommand, startScript, untilWritten
} from '../support/command-line.ts'

/** A port that nobody listens on. */
const NOWHERE = 'http://127.0.0.1:1'
const CLIENT = ['--url', NOWHERE, '--key', 'a.b:c']
/** Each command with the arguments that it must have. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  dev: [],
  node: [],
  operator: [],
  globalmaster: [],
  publish: [...CLIENT, '--channel', 'c'],
  subscribe: [...CLIENT, '--channel', 'c'],
  check: CLIENT,
  ring: ['--region', 'r']
}
/** A kubeconfig of an API server that is not there. */
const KUBECONFIG = join(t.testdir({
  kubeconfig: JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: NOWHERE } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x'
  })
}), 'kubeconfig')
/** Where the one line that names the cause may be followed by a hint. */
const HINT = /^\((Did you mean |ringcast --help )/

interface Dev {
  readonly running: RunningCommand
  readonly urls: readonly string[]
  readonly key: string
}

async function startDev(t: Closing, args: readonly string[] = []): Promise<Dev> {
  const running = startCommand(t, ['dev', '--port', '0', '--workers', '1', ...args])
  const [, urls, key] = await untilWritten(
    running, /^ {2}URL +(.+)\n {2}API key +(\S+)\n[^]*publish\(.*\n/m
  )
  return { running, urls: urls!.split(/\s+/), key: key! }
}

/** Asserts a refusal: a code that is not 0, one line with the cause, nothing of our insides. */
async function refused(
  t: Test, args: readonly string[], cause: RegExp, env: Readonly<Record<string, string>> = {}
): Promise<void> {
  const { code, output, errors } = await runCommand(t, args, { env })
  t.not(code, 0, args.join(' '))
  t.type(code, 'number', 'it ended by itself')
  t.equal(output, '', 'nothing for a pipe to read')
  const lines = errors.trimEnd().split('\n').filter((line) => !HINT.test(line))
  t.equal(lines.length, 1, `one line: ${errors}`)
  t.match(lines[0], /^(ringcast|error): /)
  t.match(lines[0], cause)
  t.notMatch(errors, /^ +at /m, 'no stack')
}

t.test('ringcast dev', async (t) => {
  const dev = await startDev(t, ['--nodes', '3'])
  t.test('the greeting: a URL for each node, and a key of its form', async (t) => {
    t.equal(new Set(dev.urls).size, 3)
    for (const url of dev.urls) t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    t.match(dev.key, /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+:[^\s:]+$/)
    t.equal(dev.running.errors, '')
  })
  t.test('the five lines it prints work as they are', async (t) => {
    const [, block] = /\(npm install ably\):\n\n([^]*)$/.exec(dev.running.output)!
    const lines = block!.trimEnd().split('\n')
    t.equal(lines.length, 5)
    const dir = t.testdir({ 'file.mjs': lines.map((line) => line.trim()).join('\n') })
    const script = startScript(t, [join(dir, 'file.mjs')])
    await untilWritten(script, /^Hello, ring!$/m)
    t.equal(script.errors, '')
  })
  t.test('the nodes are one mesh', (t) => meshTest(t, dev))
  t.test('publish, subscribe and check', (t) => clientTests(t, dev))
})

async function meshTest(t: Test, { urls, key }: Dev): Promise<void> {
  const made = await fetch(`${urls[0]}/apps`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"keys":[{}]}'
  })
  t.equal(made.status, 201)
  const app = (await made.json()) as { keys: { keyStr: string }[] }
  for (const appKey of [key, app.keys[0]!.keyStr]) {
    const received = urls.map((): string[] => [])
    await Promise.all(urls.map((url, at) => ablyClient(t, url, appKey).channels.get('mesh')
      .subscribe(({ data }) => void received[at]!.push(data))))
    for (const url of urls) await ablyClient(t, url, appKey).channels.get('mesh').publish('n', url)
    await until('each has all', () => received.every(({ length }) => length >= urls.length))
    for (const each of received) t.same(each, urls)
  }
}

async function clientTests(t: Test, { urls, key }: Dev): Promise<void> {
  const at = (node: number): string[] => ['--url', urls[node]!, '--key', key]

  t.test('what is published on one node is printed on another, a JSON line each', async (t) => {
    const reader = startCommand(t, ['subscribe', ...at(2), '-c', 'cli'])
    // It does not say when it is attached: so it is told until it has heard.
    while (reader.output === '') {
      const { code } = await runCommand(t, ['publish', ...at(0), '-c', 'cli', '-d', 'probe'])
      t.equal(code, 0)
    }
    const sent = await runCommand(t, [
      'publish', ...at(1), '-c', 'cli', '-e', 'greeting', '-d', 'héllo "', '--count', '3'
    ])
    t.same(sent, { code: 0, output: '', errors: '' })
    await untilWritten(reader, /3".*\n$/)
    const messages = reader.output.trimEnd().split('\n').map((line) => JSON.parse(line))
    t.match(messages[0], { name: 'message', data: 'probe' })
    const greetings = messages.filter(({ name }) => name === 'greeting')
    t.same(greetings.map(({ data }) => data), ['héllo "1', 'héllo "2', 'héllo "3'])
    for (const [at, { id, serial }] of greetings.entries()) {
      t.match(id, new RegExp(`^[A-Za-z0-9]+:${at}:0$`))
      t.match(serial, /^\S+@\S+$/)
    }
  })
  t.test('subscribe without a bound ends when it has its count', async (t) => {
    const args = ['subscribe', ...at(0), '-c', 'unbound', '--count', '1', '--timeout', '0']
    const reader = startCommand(t, args)
    const channel = ablyClient(t, urls[1]!, key).channels.get('unbound')
    while (reader.output === '') await channel.publish([{ data: 'x' }, { data: 'y' }])
    t.equal(await reader.ended, 0)
    t.equal(reader.output.trimEnd().split('\n').length, 1, 'and not one more')
  })
  t.test('subscribe fails when nothing came in time', (t) => {
    return refused(t, ['subscribe', ...at(0), '-c', 'silent', '--count', '1', '--timeout', '1'],
      /nothing within 1 s/)
  })
  t.test('check says that it works, for every node', async (t) => {
    for (const node of urls.keys()) {
      const { code, output, errors } = await runCommand(t, ['check', ...at(node)])
      t.match(output, /^published and received on ringcast-check in \d+ ms\n$/)
      t.same({ code, errors }, { code: 0, errors: '' })
    }
  })
  t.test('the server\'s refusals, in its words', async (t) => {
    const [name] = key.split(':')
    const url = ['--url', urls[0]!]
    await refused(t, ['check', ...url, '--key', `${name}:wrong`], /\(40101\)/)
    await refused(t, ['check', ...url, '--key', 'no.app:secret'], /\(40101\)/)
    await refused(t, ['check', ...url, '--key', 'nonsense'], /\(4\d{4}\)/)
    await refused(t, ['publish', ...at(0), '-c', ':bad'], /\(40010\)/)
    await refused(t, ['subscribe', ...at(0), '-c', '[bad'], /\(40010\)/)
    await refused(t, ['publish', ...at(0), '-c', 'c', '-d', 'x'.repeat(70_000)], /\(40009\)/)
  })
}

t.test('a server that goes away: subscribe ends, and says so', async (t) => {
  const dev = await startDev(t)
  const reader = startCommand(t, ['subscribe', '-u', dev.urls[0]!, '-k', dev.key, '-c', 'gone'])
  const channel = ablyClient(t, dev.urls[0]!, dev.key).channels.get('gone')
  while (reader.output === '') await channel.publish('n', 'x')
  dev.running.child.kill('SIGKILL')
  t.equal(await reader.ended, 1)
  t.match(reader.errors, /^ringcast: the server closed the connection\n$/)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} ends dev with exit code 0, and its port is free again`, async (t) => {
    const dev = await startDev(t, ['--nodes', '2'])
    const client = ablyClient(t, dev.urls[0]!, dev.key)
    await client.connection.once('connected')
    dev.running.child.kill(signal)
    t.equal(await dev.running.ended, 0)
    t.equal(dev.running.errors, '')
    const holder = createServer()
    await new Promise<void>((resolve, reject) => {
      holder.once('error', reject)
      holder.listen(Number(new URL(dev.urls[0]!).port), '127.0.0.1', resolve)
    })
    holder.close()
  })
}

t.test('help: all commands are listed, and each has a page', async (t) => {
  const { code, output } = await runCommand(t, ['--help'])
  t.equal(code, 0)
  const [, list] = /\nCommands:\n([^]*)/.exec(output)!
  const listed = [...list!.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name)
  t.same(listed, [...Object.keys(COMMANDS), 'help'])
  for (const command of Object.keys(COMMANDS)) {
    const page = await runCommand(t, [command, '--help'])
    t.same({ code: page.code, errors: page.errors }, { code: 0, errors: '' }, command)
    t.match(page.output, new RegExp(`^Usage: ringcast ${command} \\[options\\]\n\n[a-z]+ `))
    for (const line of page.output.split('\n')) t.ok(line.length <= 80, line)
  }
  const { output: version } = await runCommand(t, ['--version'])
  t.match(version, /^\d+\.\d+\.\d+\n$/)
})

t.test('what is wrong is told in one line', async (t) => {
  t.test('arguments', async (t) => {
    await refused(t, ['nonsense'], /unknown command 'nonsense'/)
    for (const [command, needed] of Object.entries(COMMANDS)) {
      await refused(t, [command, ...needed, '--nonsense'], /unknown option '--nonsense'/)
      await refused(t, [command, ...needed, 'more'], /too many arguments/)
    }
    await refused(t, ['publish', '--key', 'a.b:c', '-c', 'c'], /option '-u, --url <url>'/)
    await refused(t, ['subscribe', '--url', NOWHERE, '-c', 'c'], /option '-k, --key <key>'/)
    await refused(t, ['subscribe', ...CLIENT], /option '-c, --channel <name>'/)
    await refused(t, ['ring'], /option '-r, --region <name>'/)
    await refused(t, ['publish', ...CLIENT, '-c', 'c', '--count', 'many'], /whole number/)
    await refused(t, ['subscribe', ...CLIENT, '-c', 'c', '--timeout', '-1'], /whole number/)
    for (const url of ['nonsense', '127.0.0.1:8080', 'ftp://127.0.0.1', '/tmp']) {
      await refused(t, ['check', '--url', url, '--key', 'a.b:c'], new RegExp(`${url} is no URL`))
    }
  })
  t.test('dev: what it cannot be asked for', async (t) => {
    await refused(t, ['dev', '--nodes', '0'], /--nodes must be 1 or more/)
    await refused(t, ['dev', '--nodes', 'x'], /--nodes .*whole number/)
    await refused(t, ['dev', '--port', '65536'], /--port .*at most 65535/)
    await refused(t, ['dev', '--port', '65535', '--nodes', '3'], /port 65537/)
    await refused(t, ['dev', '--port', '0', '--log-level', 'loud'], /loud is none of trace, debug/)
    await refused(t, ['dev', '--host', '127.0.0.256'], /cannot listen on 127\.0\.0\.256:8080/)
  })
  t.test('a port in use', async (t) => {
    const holder = createServer()
    t.teardown(() => holder.close())
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as { port: number }
    const cause = new RegExp(`127\\.0\\.0\\.1:${port}\\b.*EADDRINUSE`)
    await refused(t, ['dev', '--port', String(port)], cause)
    // The one before it may be somebody else's meanwhile.
    const either = new RegExp(`127\\.0\\.0\\.1:(${port - 1}|${port})\\b.*EADDRINUSE`)
    await refused(t, ['dev', '--port', String(port - 1), '--nodes', '2'], either)
    for (const name of ['RINGCAST_PORT', 'RINGCAST_PRIVATE_PORT']) {
      await refused(t, ['node'], cause, nodeVariables({ [name]: String(port) }))
    }
  })
  t.test('servers that are not there', async (t) => {
    const cause = /cannot connect to http:\/\/127\.0\.0\.1:1$/
    await refused(t, ['check', ...CLIENT], cause)
    await refused(t, ['publish', ...CLIENT, '-c', 'c'], cause)
    await refused(t, ['subscribe', ...CLIENT, '-c', 'c'], cause)
    await refused(t, ['ring', '-r', 'r'], /127\.0\.0\.1:1\b.*ECONNREFUSED/, { KUBECONFIG })
  })
  t.test('a server that speaks something else', async (t) => {
    const other = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
    })
    t.teardown(() => other.close())
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(other.address() as { port: number }).port}`
    await refused(t, ['check', '--url', url, '--key', 'a.b:c'], new RegExp(url))
  })
  t.test('files that are missing or are not what they should be', (t) => fileTests(t))
  t.test('variables that are wrong: all of them are named, no value is', async (t) => {
    await refused(t, ['node'], /RINGCAST_REGION is not set; .*RINGCAST_NATS_URL is not set/)
    await refused(t, ['operator'], /RINGCAST_NODE_IMAGE is not set/)
    await refused(t, ['globalmaster'], /RINGCAST_REGION is not set; .*MASTER is not set/)
    await refused(t, ['ring', '-r', 'r'], /KUBECONFIG is not set/)
    const wrong = nodeVariables({
      RINGCAST_PORT: 'http', RINGCAST_WORKERS: '0', RINGCAST_NATS_PASSWORD: 'sesame'
    })
    await refused(t, ['node'], /RINGCAST_PORT: .*; RINGCAST_WORKERS: (?!.*sesame)/, wrong)
  })
})

async function fileTests(t: Test): Promise<void> {
  const dir = t.testdir({ 'empty.yaml': '', 'list.yaml': '- a\n', 'torn.yaml': 'a: b: [\n\t- c' })
  for (const name of ['missing.yaml', 'empty.yaml', 'list.yaml', 'torn.yaml']) {
    const path = join(dir, name)
    await refused(t, ['ring', '-r', 'r', '--kubeconfig', path], new RegExp(name))
  }
  await refused(t, ['operator'], /missing\.yaml.*ENOENT/, {
    RINGCAST_NODE_IMAGE: 'a', RINGCAST_NATS_IMAGE: 'b', KUBECONFIG: join(dir, 'missing.yaml')
  })
  const credentials = join(dir, 'missing.creds')
  for (const command of ['node', 'globalmaster']) {
    await refused(t, [command], /RINGCAST_NATS_CREDS_FILE: .*missing\.creds/, nodeVariables({
      RINGCAST_NATS_CREDS_FILE: credentials, RINGCAST_GLOBALMASTER: 'r-globalmaster'
    }))
  }
}

/** What `ringcast node` reads, so that only what a test changes is wrong. */
function nodeVariables(more: Record<string, string>): Record<string, string> {
  return {
    RINGCAST_REGION: 'r', RINGCAST_NAMESPACE: 'n', RINGCAST_RING: 'r', RINGCAST_POD_NAME: 'r-0',
    RINGCAST_POD_UID: 'u', RINGCAST_POD_IP: '127.0.0.1', RINGCAST_NATS_URL: 'nats://127.0.0.1:1',
    RINGCAST_APPS_SECRET: 's', RINGCAST_HOST: '127.0.0.1', RINGCAST_LOG_LEVEL: 'silent',
    KUBECONFIG, ...more
  }
}
