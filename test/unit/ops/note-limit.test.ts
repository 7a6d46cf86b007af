import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { NoteLimit } from '../../../src/ops/note-limit.ts'

t.test('[25] a flood of notes is cut, and how much is told', async (t) => {
  const said: string[] = []
  const limit = new NoteLimit((text) => void said.push(text), 0)
  for (let no = 0; no < 1_000; no++) limit.note(`note ${no}`, 0)
  t.equal(said.length, limits.notesPerSecondMax)
  t.equal(said.at(-1), `note ${limits.notesPerSecondMax - 1}`)
  limit.note('later', 1_000)
  t.same(said.slice(-2), [`${1_000 - limits.notesPerSecondMax} notes were left out`, 'later'])
  limit.note('and on', 2_000)
  t.equal(said.at(-1), 'and on')
  t.equal(said.length, limits.notesPerSecondMax + 3)
})
