import t from 'tap'
import { parseRegion } from '../../../src/operator/spec.ts'
import { worldSettings, worldSettingsEntry } from '../../../src/operator/world.ts'
import { readWorldSettings } from '../../../src/ops/world-settings.ts'
import { usualSettings } from '../../../src/region/terms.ts'

/** What the operator writes for a region with these fields of `spec.world`. */
function writtenFor(fields: object): string {
  const parsed = parseRegion({
    apiVersion: '', kind: '', metadata: { name: 'eu' },
    spec: { world: { name: 'acme', secretName: 'acme-world', ...fields } }
  })
  if (!parsed.isValid) throw new Error(JSON.stringify(parsed.violations))
  const { data } = worldSettings('eu', 'chat', parsed.spec.world!) as {
    data?: Record<string, string>
  }
  return data![worldSettingsEntry]!
}

t.test('what the operator writes is what nodes read', async (t) => {
  t.same(readWorldSettings(writtenFor({})), usualSettings)
  const limits = { drainedClientsPerSecond: 7, lostRegionGraceSeconds: 0 }
  t.same(readWorldSettings(writtenFor({ isDraining: true, limits })), {
    isToDrain: true, drainedPerSecond: 7, lostRegionGraceMs: 0
  })
})

t.test('what is not said is as usual, and what nobody knows is nothing', async (t) => {
  t.same(readWorldSettings('{}'), usualSettings)
  t.same(readWorldSettings('{"isToDrain":true,"more":1}'), { ...usualSettings, isToDrain: true })
})

t.test('what makes no sense is said', async (t) => {
  for (const text of [
    '', '{', '[]', '{"isToDrain":"yes"}', '{"drainedPerSecond":0}', '{"lostRegionGraceMs":-1}'
  ]) t.throws(() => readWorldSettings(text), text)
})
