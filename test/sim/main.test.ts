import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import t from 'tap'
import { simulate } from './simulate.ts'

t.setTimeout(300_000)

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function sim(...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args])
  const code = new Promise<number | null>((resolve) => void child.on('close', resolve))
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, out, err }
}

function fingerprintIn({ out }: Ran): string | undefined {
  return /fingerprint ([0-9a-f]{16})/.exec(out)?.[1]
}

t.test('[26] one seed is one run, in whatever process, after whatever other', async (t) => {
  const args = ['--storm-ms', '3000', '--seeds', '1', '--first-seed', '8']
  const [one, another] = await Promise.all([sim(...args), sim(...args)])
  t.match(one, { code: 0, err: '', out: /^1 seeds from 8: 0 failed; \d+ shown, / })
  const fingerprint = fingerprintIn(one)
  t.type(fingerprint, 'string')
  t.equal(fingerprintIn(another), fingerprint)
  const seventh = simulate({ seed: 7, stormMs: 3_000 })
  t.not(seventh.fingerprint, fingerprint, 'another seed is another run')
  t.equal(simulate({ seed: 8, stormMs: 3_000 }).fingerprint, fingerprint)
})

t.test('what it can be asked it says, and why it did not do what it was asked', async (t) => {
  const wrongs = [
    [['--seed', '1'], /Unknown option '--seed'/],
    [['--seeds', 'many'], /--seeds is a whole number, at least 1/],
    [['--storm-ms', '1.5'], /--storm-ms is a whole number, at least 0/]
  ] as const
  const [help, ...told] = await Promise.all([
    sim('--help'), ...wrongs.map(([args]) => sim(...args))
  ])
  t.match(help, { code: 0, err: '', out: /^usage: .*--first-seed N/s })
  for (const [at, [, why]] of wrongs.entries()) {
    const { code, out, err } = told[at]!
    t.same({ code, out }, { code: 2, out: '' })
    t.match(err, why)
    t.match(err, /usage: node test\/sim\/main.ts/)
    t.notMatch(err, /\n {4}at /, 'without a stack')
  }
})
