import t from 'tap'
import { Leaving } from '../../../src/commands/leaving.ts'
import { KubeError } from '../../../src/kube/kube-error.ts'

const inAcme = { metadata: { name: 'eu' }, spec: { world: { name: 'acme' } } }

/** A globalmaster of `eu` in `acme`; `answer` is what the API server says of the region. */
function master(answer: () => object | undefined, isInWorld = true) {
  const made = { leaveCount: 0, getCount: 0 }
  const get = async (): Promise<any> => {
    made.getCount++
    return answer()
  }
  const leaving = new Leaving({
    client: { get },
    region: { namespace: 'one', name: 'eu' },
    isInWorld: () => isInWorld,
    leave: () => void made.leaveCount++
  })
  return { leaving, made }
}

function failing(status: number): () => never {
  return () => {
    throw new KubeError({ status, reason: 'Whatever', message: 'no' })
  }
}

t.test('a region whose ConfigMap is deleted with it leaves at once', async (t) => {
  const deletionTimestamp = '2030-01-01T00:00:00Z'
  const answers: Record<string, () => object | undefined> = {
    'it is gone': () => undefined,
    'it is on its way': () => ({ ...inAcme, metadata: { name: 'eu', deletionTimestamp } }),
    'it is in no world': () => ({ metadata: { name: 'eu' }, spec: {} }),
    'the Role is gone': failing(403),
    'the ServiceAccount is gone': failing(401)
  }
  for (const [name, answer] of Object.entries(answers)) {
    const { leaving, made } = master(answer)
    await leaving.onConfigMapGone()
    t.same([made.leaveCount, made.getCount, leaving.hasLeft], [1, 1, true], name)
    await leaving.onConfigMapGone()
    t.equal(made.leaveCount, 1, 'once')
  }
})

t.test('one whose ConfigMap alone is gone stays, or where nobody knows', async (t) => {
  const other = { ...inAcme, spec: { world: { name: 'held' } } }
  for (const answer of [() => inAcme, () => other, failing(503), failing(0)]) {
    const { leaving, made } = master(answer)
    await leaving.onConfigMapGone()
    t.same([made.leaveCount, leaving.hasLeft, leaving.isConfigMapGone], [0, false, true])
  }
})

t.test('a ConfigMap that is back by then counts', async (t) => {
  const { leaving, made } = master(() => undefined)
  const gone = leaving.onConfigMapGone()
  leaving.onConfigMap()
  await gone
  t.same([made.leaveCount, leaving.hasLeft, leaving.isConfigMapGone], [0, false, false])
})

t.test('who was never told of a world has none to leave', async (t) => {
  const { leaving, made } = master(() => undefined, false)
  await leaving.onConfigMapGone()
  t.same([made.leaveCount, leaving.hasLeft], [0, false])
})
