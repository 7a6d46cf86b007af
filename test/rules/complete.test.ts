import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'

const ROOT = resolve(import.meta.dirname, '..', '..')

t.test('every rule has a test, and every test a rule', async (t) => {
  const text = readFileSync(join(ROOT, 'docs', 'rules.md'), 'utf8')
  const stated = [...text.matchAll(/^- \*\*([A-Z]\d+)\.\*\*/gm)].map(([, id]) => id!)
  t.ok(stated.length > 0)
  t.same(stated.length, new Set(stated).size, 'no number is given twice')
  const tested = new Set<string>()
  for (const path of globSync('test/rules/*.test.ts', { cwd: ROOT })) {
    const source = readFileSync(join(ROOT, path), 'utf8')
    for (const [, id] of source.matchAll(/\brule\(\s*'([A-Z]\d+)'/g)) tested.add(id!)
  }
  const others = [
    'system/browser', 'system/regions-apart', 'sim/region-history', 'sim/regions',
    'sim/region-holes', 'sim/region-reads', 'sim/region-global', 'sim/region-one-way'
  ]
  for (const path of others.map((name) => `${name}.test.ts`)) {
    const source = readFileSync(join(ROOT, 'test', path), 'utf8')
    for (const [, ids] of source.matchAll(/['`]\[([A-Z]\d+(?:, [A-Z]\d+)*)\] /g)) {
      for (const id of ids!.split(', ')) tested.add(id)
    }
  }
  t.same(stated.filter((id) => !tested.has(id)), [], 'rules without a test')
  t.same([...tested].filter((id) => !stated.includes(id)), [], 'tests without a rule')
})
