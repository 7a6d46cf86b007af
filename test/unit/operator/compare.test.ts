import t from 'tap'
import { isContained } from '../../../src/operator/compare.ts'
import { amountOf } from '../../../src/operator/quantity.ts'

const cases: Array<[string, unknown, unknown, boolean]> = [
  ['defaults of the server', { a: 1 }, { a: 1, b: 2 }, true],
  ['another value', { a: 1 }, { a: 2 }, false],
  ['a missing field', { a: 1 }, {}, false],
  ['an empty map that the server left out', { a: {} }, {}, true],
  ['an empty list that the server left out', { a: [] }, {}, true],
  ['an empty text that the server left out', { a: '' }, {}, true],
  ['false is not nothing', { a: false }, {}, false],
  ['the same amount, written otherwise',
    { limits: { cpu: '1000m', memory: '1Gi' } }, { limits: { cpu: '1', memory: '1024Mi' } }, true],
  ['another amount', { limits: { cpu: '1' } }, { limits: { cpu: '2' } }, false],
  ['amounts only where amounts are', { labels: { a: '1000m' } }, { labels: { a: '1' } }, false],
  ['a size', { emptyDir: { sizeLimit: '1Gi' } }, { emptyDir: { sizeLimit: '1024Mi' } }, true],
  ['a container that was injected', { containers: [{ name: 'a' }] },
    { containers: [{ name: 'sidecar' }, { name: 'a', image: 'x' }] }, true],
  ['a container that is missing', { containers: [{ name: 'a' }] }, { containers: [] }, false],
  ['two mounts of one volume',
    { mounts: [{ name: 'v', mountPath: '/a' }, { name: 'v', mountPath: '/b' }] },
    { mounts: [{ name: 'v', mountPath: '/b' }, { name: 'v', mountPath: '/a' }] }, true],
  ['a plain list, longer', { args: ['a'] }, { args: ['a', 'b'] }, false],
  ['a plain list, in another order', { args: ['a', 'b'] }, { args: ['b', 'a'] }, false],
  ['rules without names', { rules: [{ verbs: ['get'] }] },
    { rules: [{ verbs: ['get'] }, { verbs: ['delete'] }] }, false],
  ['a list that became a map', { a: [1] }, { a: { 0: 1 } }, false]
]

for (const [title, desired, live, expected] of cases) {
  t.equal(isContained(desired, live), expected, title)
}

t.test('quantities', async t => {
  const amounts: Array<[unknown, number | undefined]> = [
    ['1', 1], ['1500m', 1.5], ['1k', 1000], ['1Ki', 1024], ['1e3', 1000], ['1E3', 1000],
    ['.5', 0.5], ['2E', 2e18], [3, 3], ['1Gib', undefined], ['', undefined], [null, undefined]
  ]
  for (const [quantity, amount] of amounts) t.equal(amountOf(quantity), amount, `${quantity}`)
})
