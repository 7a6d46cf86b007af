/**
 * Runs the groups of tests, each within a time limit, and tells at the end what passed, what
 * failed and what was skipped for which reason. `make test` and `.ci/run` both come through here.
 *
 *   node test/run.ts [--groups types,tidy,…] [--may-skip e2e] [--strict]
 *
 * --strict: a skip outside the groups named by --may-skip is a failure.
 */

import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const ROOT = resolve(import.meta.dirname, '..')

interface Group {
  readonly name: string
  readonly limitS: number
  /** Test files, or a command whose exit code counts as one test. */
  readonly files?: string
  /** Of these, which are in another group. */
  readonly except?: string
  readonly command?: readonly string[]
  /** How many test files run at once. */
  readonly jobs?: number
  /** What its tests are to know beside what this process does. */
  readonly env?: Readonly<Record<string, string>>
}

const BROWSER = 'test/system/browser.test.ts'
const E2E = 'test/e2e/**/*.test.ts'
/** What is shown on real nodes over a real NATS as well: requests, credentials, what is stored. */
const ON_NODES = 'test/rules/{auth,batching,persisted,rest,rest-*,revocation,security,stats,' +
  'tokens}.test.ts'
const GROUPS: readonly Group[] = [
  { name: 'types', limitS: 120, command: ['tsc', '--noEmit'] },
  { name: 'tidy', limitS: 60, files: 'test/tidy.test.ts' },
  { name: 'unit', limitS: 600, files: 'test/unit/**/*.test.ts' },
  { name: 'stories', limitS: 300, files: 'test/stories/**/*.test.ts' },
  { name: 'sim', limitS: 1_200, files: 'test/sim/**/*.test.ts' },
  { name: 'fuzz', limitS: 120, files: 'test/fuzz/**/*.test.ts' },
  { name: 'contract', limitS: 600, files: 'test/contract/**/*.test.ts' },
  { name: 'system', limitS: 1_500, files: 'test/system/**/*.test.ts', except: BROWSER },
  { name: 'browser', limitS: 300, files: BROWSER },
  { name: 'rules', limitS: 900, files: 'test/rules/**/*.test.ts' },
  { name: 'rules-nodes', limitS: 900, files: ON_NODES, env: { RULES_ON: 'nodes' } },
  { name: 'bench-short', limitS: 300, command: ['make', 'bench-short'] },
  { name: 'chaos-short', limitS: 300, command: ['make', 'chaos-short'] },
  { name: 'e2e-short', limitS: 600, files: E2E, jobs: 1, env: { E2E_SHORT: '1' } },
  { name: 'e2e', limitS: 2_400, files: E2E, jobs: 1 }
]

/** Whose output is worth seeing while it comes, and when all is well. */
const LOUD_GROUPS = new Set(['bench-short', 'chaos-short', 'e2e-short', 'e2e'])
const DEFAULT_GROUPS = ['types', 'tidy', 'unit', 'stories', 'sim', 'fuzz', 'contract', 'system',
  'browser', 'rules', 'rules-nodes']

/** Files above it are named with their group's time. */
const SLOW_MS = 20_000

interface Tally {
  passed: number
  failed: number
  readonly skips: string[]
  /** How long each file took, in milliseconds. */
  readonly tookMs: Map<string, number>
}

const { values } = parseArgs({
  options: {
    groups: { type: 'string', default: DEFAULT_GROUPS.join(',') },
    'may-skip': { type: 'string', default: '' },
    strict: { type: 'boolean', default: false }
  }
})

const chosen = values.groups.split(',')
const maySkip = new Set(values['may-skip'].split(','))
const total: Tally = { passed: 0, failed: 0, skips: [], tookMs: new Map() }
for (const name of chosen) {
  const group = GROUPS.find((each) => each.name === name)
  if (group === undefined) {
    console.error(`no such group: ${name}; there are ${GROUPS.map((g) => g.name).join(', ')}`)
    process.exit(2)
  }
  add(group, await run(group))
}
for (const skip of total.skips) console.log(`skipped: ${skip}`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed > 0 ? 1 : 0)

function add(group: Group, tally: Tally): void {
  total.passed += tally.passed
  total.failed += tally.failed
  for (const skip of tally.skips) {
    const isForbidden = values.strict && !maySkip.has(group.name)
    if (isForbidden) total.failed++
    total.skips.push(`${group.name}: ${skip}${isForbidden ? ' (not allowed here)' : ''}`)
  }
}

async function run(group: Group): Promise<Tally> {
  const startMs = performance.now()
  const found = group.files === undefined ? [] : globSync(group.files, { cwd: ROOT }).sort()
  const files = found.filter((path) => path !== group.except)
  const tally: Tally = { passed: 0, failed: 0, skips: [], tookMs: new Map() }
  if (group.command !== undefined || files.length > 0) {
    const { code, output } = await execute(group, files)
    if (group.command === undefined) readTap(output, tally)
    else if (code === 0) tally.passed++
    if (code !== 0 && tally.failed === 0) tally.failed++
    if (code !== 0) console.log(failuresOf(output, group))
  }
  const tookS = ((performance.now() - startMs) / 1_000).toFixed(1)
  const skipped = tally.skips.length > 0 ? `, ${tally.skips.length} skipped` : ''
  const counts = `${tally.passed} passed, ${tally.failed} failed${skipped}`
  console.log(`${group.name}: ${counts} (${tookS} s)${slowestOf(tally)}`)
  return tally
}

/** The files that a group's time is made of, where it took long. */
function slowestOf({ tookMs }: Tally): string {
  const slow = [...tookMs].filter(([, ms]) => ms > SLOW_MS)
    .sort(([, a], [, b]) => b - a).slice(0, 5)
    .map(([file, ms]) => `${file.replace(/^test\/|\.test\.ts$/g, '')} ${Math.round(ms / 1_000)} s`)
  return slow.length === 0 ? '' : `; slowest: ${slow.join(', ')}`
}

function execute(
  group: Group,
  files: readonly string[]
): Promise<{ code: number; output: string }> {
  const [command, ...args] = group.command ?? [
    'tap', '--reporter=tap', `--jobs=${group.jobs ?? 2}`, `--timeout=${group.limitS}`, ...files
  ]
  const bin = join(ROOT, 'node_modules', '.bin')
  return new Promise((done) => {
    const child = spawn(command!, args, {
      cwd: ROOT,
      env: { ...process.env, ...group.env, PATH: `${bin}:${process.env.PATH}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true
    })
    let output = ''
    const take = (chunk: Buffer): void => {
      output += chunk.toString('utf8')
      if (LOUD_GROUPS.has(group.name)) process.stdout.write(chunk)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const timer = setTimeout(() => {
      output += `\n${group.name} took longer than its limit of ${group.limitS} s\n`
      process.kill(-child.pid!, 'SIGKILL')
    }, group.limitS * 1_000)
    child.on('close', (code) => {
      clearTimeout(timer)
      done({ code: code ?? 1, output })
    })
  })
}

/** Counts the tests of each file: the points one level below it. */
function readTap(output: string, tally: Tally): void {
  let file = ''
  const open: { isOk: boolean; text: string }[] = []
  for (const line of output.split('\n')) {
    const child = /^ {4}(not ok|ok) \d+ - (.*)$/.exec(line)
    if (child !== null) open.push({ isOk: child[1] === 'ok', text: child[2]! })
    const parent = /^(not ok|ok) \d+ - (\S+)/.exec(line)
    if (parent === null) continue
    file = parent[2]!
    tally.tookMs.set(file, Number(/# time=([\d.]+)ms/.exec(line)?.[1] ?? 0))
    for (const { isOk, text } of open.splice(0)) {
      const skip = /# (?:SKIP|TODO)\s*(.*)$/i.exec(text)
      if (skip !== null) tally.skips.push(`${file}: ${text.replace(/ # .*/, '')}: ${skip[1]}`)
      else if (isOk) tally.passed++
      else tally.failed++
    }
    const whole = /# SKIP\s*(.*)$/i.exec(line)
    if (whole !== null) tally.skips.push(`${file}: ${whole[1]}`)
    else if (parent[1] === 'not ok' && tally.failed === 0) tally.failed++
  }
}

/** The part of the output that a reader wants first. */
function failuresOf(output: string, group: Group): string {
  if (group.command !== undefined) return output.slice(-8_000)
  const lines = output.split('\n')
  const wanted = new Set<number>()
  for (const [at, line] of lines.entries()) {
    if (!/^\s*not ok/.test(line)) continue
    for (let near = at; near < Math.min(at + 25, lines.length); near++) wanted.add(near)
  }
  const shown = [...wanted].map((at) => lines[at]).slice(0, 300)
  return shown.length > 0 ? shown.join('\n') : output.slice(-8_000)
}
