#!/usr/bin/env node
/**
 * The command line: wiring only. Each command is a module of its own, loaded when it is asked for.
 */

import { Command, InvalidArgumentError } from 'commander'
import { processEnvironment } from './ops/config.ts'

const program = new Command('ringcast')
  .description('A self-hosted realtime cluster for Kubernetes that speaks the Ably client protocol')
  .version(await version())
  .showHelpAfterError('(ringcast --help shows what there is)')

program
  .command('dev')
  .description('run a whole region on this machine, for development and tests')
  .option('-n, --nodes <count>', 'nodes in the region, each on its own port', count, 1)
  .option('-p, --port <port>', 'port of the first node; 0 takes free ones', port, 8080)
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('-w, --workers <count>', 'worker threads per node (default: as many as cores)', count, 0)
  .option('--data-file <path>', 'where apps, persisted messages and statistics outlive the ' +
    'process (default: nowhere)')
  .option('--log-level <level>', 'trace, debug, info, warn, error or silent', 'warn')
  .action(async (options) => {
    const { devCommand } = await import('./commands/dev.ts')
    await devCommand(options)
  })

program
  .command('node')
  .description('run one node of a region; configured by RINGCAST_… variables (see the README)')
  .action(async () => {
    const { nodeCommand } = await import('./commands/node.ts')
    await nodeCommand(processEnvironment())
  })

program
  .command('operator')
  .description(
    'run the operator that turns RealtimeRegion objects into regions; configured by RINGCAST_… ' +
    'variables'
  )
  .action(async () => {
    const { runOperator } = await import('./commands/run-operator.ts')
    await runOperator(processEnvironment(), await version())
  })

program
  .command('globalmaster')
  .description(
    'run the controller that keeps the list of regions of a world; configured by RINGCAST_… ' +
    'variables'
  )
  .action(async () => {
    const { globalmasterCommand } = await import('./commands/globalmaster.ts')
    await globalmasterCommand(processEnvironment(), await version())
  })

const client = (command: Command): Command =>
  command
    .requiredOption('-u, --url <url>', 'where a node or the client Service listens')
    .requiredOption('-k, --key <key>', 'API key, appId.keyId:secret')

client(program.command('publish'))
  .description('publish one message, or a numbered series of them')
  .requiredOption('-c, --channel <name>', 'channel')
  .option('-e, --name <name>', 'event name', 'message')
  .option('-d, --data <text>', 'data', '')
  .option('--count <count>', 'how many; above 1 the data is followed by a number', count, 1)
  .option('--timeout <seconds>', 'give up after this long', count, 30)
  .action(async (options) => {
    const { publishCommand } = await import('./commands/client.ts')
    await publishCommand(options)
  })

client(program.command('subscribe'))
  .description('print the messages of a channel, a JSON line each')
  .requiredOption('-c, --channel <name>', 'channel')
  .option('--count <count>', 'end after so many; 0: never', count, 0)
  .option('--timeout <seconds>', 'fail if they did not come in this long; 0: never', count, 0)
  .action(async (options) => {
    const { subscribeCommand } = await import('./commands/client.ts')
    await subscribeCommand(options)
  })

client(program.command('check'))
  .description('publish and receive a message through one connection; exits 0 if that works')
  .option('-c, --channel <name>', 'channel', 'ringcast-check')
  .option('--timeout <seconds>', 'give up after this long', count, 30)
  .action(async (options) => {
    const { checkCommand } = await import('./commands/client.ts')
    await checkCommand(options)
  })

program
  .command('ring')
  .description('show the ring of a region: its members and how partitions are shared out')
  .requiredOption('-r, --region <name>', 'name of the RealtimeRegion')
  .option('--namespace <name>', 'its namespace')
  .option('--kubeconfig <path>', 'kubeconfig to use')
  .action(async (options) => {
    const { ringCommand } = await import('./commands/ring.ts')
    await ringCommand(options)
  })

try {
  await program.parseAsync()
} catch (error) {
  // A user's mistake or the world's failure: one line that names the cause, and no stack.
  process.stderr.write(`ringcast: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('expected a whole number, 0 or more')
  }
  return value
}

function port(text: string): number {
  const value = count(text)
  if (value > 65_535) throw new InvalidArgumentError('a port is at most 65535')
  return value
}

async function version(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
