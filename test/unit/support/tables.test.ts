/** Tables that promise a test per row keep that promise: what they name is there. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { appLimitNames } from '../../../src/auth/app.ts'
import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { limits } from '../../../src/base/limits.ts'
import { ringLimits } from '../../../src/ring/timing.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

/** The rows of the table whose header begins with `head`, as cells. */
function rowsOf(path: string, head: string): string[][] {
  const lines = readFileSync(join(ROOT, path), 'utf8').split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`))
  const rest = lines.slice(start + 2)
  const rows = rest.slice(0, rest.findIndex((line) => !line.startsWith('|')))
  return rows.map((row) => row.split('|').slice(1, -1).map((cell) => cell.trim()))
}

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}

function checkTests(t: Test, [what, ...cells]: string[]): void {
  const tests = namesIn(cells.at(-1)!)
  t.ok(tests.length > 0, `${what}: has a test`)
  for (const test of tests) t.ok(existsSync(join(ROOT, 'test', test)), `${what}: ${test}`)
}

t.test('[E] whoever ends, who is told is tested', async (t) => {
  const rows = rowsOf('ARCHITECTURE.md', 'what ends')
  t.ok(rows.length >= 10)
  for (const row of rows) checkTests(t, row)
})

t.test('[25] whatever grows has a limit that is named, and a test that meets it', async (t) => {
  const rows = rowsOf('docs/bounds.md', 'what grows')
  t.ok(rows.length >= 20)
  const all = [limits, archiveLimits, ringLimits]
  const known = new Set([...all.flatMap((each) => Object.keys(each)), ...appLimitNames])
  for (const row of rows) {
    checkTests(t, row)
    const [what, limit] = row
    for (const name of namesIn(limit!)) {
      t.ok(known.has(name) || existsSync(join(ROOT, 'src', name)), `${what}: ${name}`)
    }
  }
})
