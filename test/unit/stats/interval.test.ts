import t from 'tap'
import { intervalId, intervalOf, startOf, secondId } from '../../../src/stats/interval.ts'

const AT = Date.UTC(2024, 1, 29, 23, 59, 58)

t.test('ids say their unit by their length, and lead back', async (t) => {
  t.same(['minute', 'hour', 'day', 'month', 'year'].map((unit) => intervalId(unit as 'day', AT)),
    ['2024-02-29:23:59', '2024-02-29:23', '2024-02-29', '2024-02', '2024'])
  t.equal(secondId(AT), '2024-02-29:23:59:58')
  t.same(intervalOf('2024-02-29:23:59'), {
    span: 'minute', startMs: AT - 58_000, endMs: AT + 2_000
  })
  t.same(intervalOf('2023-12'), {
    span: 'month', startMs: Date.UTC(2023, 11), endMs: Date.UTC(2024, 0)
  })
  t.equal(intervalOf('2024')!.endMs, Date.UTC(2025, 0))
  t.equal(startOf('day', AT), Date.UTC(2024, 1, 29))
})

t.test('what is no interval is none', async (t) => {
  const wrong = ['', '1', '2024-13', '2023-02-29', '2024-02-29:24', '2024-02-29:23:60', '24-02',
    '2024-2', '2024-02-29:23:59:58', '2024-02-29 23:59', '99999-01']
  for (const id of wrong) t.equal(intervalOf(id), undefined, id)
})
