/**
 * Runs the conformance kit (an official SDK's own tests) against a dev region that it starts:
 *
 *   node test/sdk-kit.ts <path of the kit> [arguments for its run.mjs]
 *
 * What is green, and what is not and why: docs/conformance.md.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startDevRegion } from '../src/commands/dev.ts'
import { type PublicHosts, startPublicHosts } from './support/public-hosts.ts'

const [kit, ...args] = process.argv.slice(2)
const script = join(resolve(kit ?? ''), 'run.mjs')
if (kit === undefined || !existsSync(script)) {
  console.error(`no conformance kit at ${resolve(kit ?? '.')}: give its path, KIT=…`)
  process.exit(2)
}
const region = await startDevRegion({
  nodes: 1,
  port: 0,
  // The kit's stand-ins for other hosts are on 127.0.0.1: there nobody else is to answer.
  host: '127.0.0.2',
  workers: 0,
  logLevel: 'error'
})
const folder = mkdtempSync(join(tmpdir(), 'ringcast-kit-'))
const hosts = await publicHosts()
const run = spawn(process.execPath, [script, '--server', region.urls[0]!, ...args], {
  stdio: 'inherit',
  env: { ...process.env, ...hosts?.env }
})
const code = await new Promise<number>((done) => run.on('exit', (status) => done(status ?? 1)))
await hosts?.stop()
await region.stop()
rmSync(folder, { recursive: true, force: true })
process.exit(code)

async function publicHosts(): Promise<PublicHosts | undefined> {
  try {
    return await startPublicHosts(folder, region.urls[0]!)
  } catch (error) {
    console.error(`no stand-ins for public hosts, whose tests will fail: ${String(error)}`)
    return undefined
  }
}
