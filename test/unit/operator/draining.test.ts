/* What is said of a region that is to send its clients to others, by what its nodes answer. */

import t from 'tap'
import { askAll, drainingOf } from '../../../src/operator/draining.ts'
import type { ClientsAnswer } from '../../../src/operator/pass.ts'
import type { Pod } from '../../../src/operator/plan.ts'
import { parseRegion } from '../../../src/operator/spec.ts'

function told (askedCount: number, ...answers: ClientsAnswer[]): string {
  const { type, status, reason } = drainingOf({ answers, askedCount })
  return `${type} ${status} ${reason}`
}

const node = (connections: number, drain: ClientsAnswer['drain']): ClientsAnswer =>
  ({ connections, drain })

t.test('how far it has come', async t => {
  t.match(drainingOf(undefined), { type: 'Draining', status: 'False', reason: 'NotAsked' })
  t.equal(told(2, node(5, 'draining'), node(7, 'draining')), 'Draining True ClientsLeave')
  t.match(drainingOf({ askedCount: 2, answers: [node(5, 'draining'), node(7, 'none')] }), {
    message: '12 clients are left; 1 of 2 nodes send theirs away'
  })
  t.equal(told(2, node(0, 'draining'), node(0, 'draining')), 'Draining True Drained')
  t.equal(told(2, node(0, 'draining')), 'Draining True ClientsLeave', 'one does not say')
  t.equal(told(2, node(0, 'draining'), node(0, 'alone')), 'Draining True ClientsLeave')
})

t.test('a region that is alone serves on, and says so', async t => {
  t.equal(told(2, node(3, 'alone'), node(4, 'none')), 'Draining False NoOtherRegion')
  t.match(drainingOf({ askedCount: 1, answers: [node(3, 'alone')] }).message, /serving 3 clients/)
})

t.test('nobody knows before nodes have heard of it', async t => {
  t.equal(told(2, node(3, 'none')), 'Draining Unknown NotHeardYet')
  t.equal(told(2), 'Draining Unknown NotHeardYet')
})

function pod (no: number, phase = 'Running'): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: `eu-${no}` }, status: { phase } }
}

function worldOf (isDraining: boolean) {
  const parsed = parseRegion({
    apiVersion: '', kind: '', metadata: { name: 'eu' },
    spec: { world: { name: 'acme', secretName: 'acme-world', isDraining } }
  })
  if (!parsed.isValid) throw new Error('a bad spec')
  return parsed.spec.world
}

t.test('every node that runs is asked, some at a time, and only then', async t => {
  let [count, atOnceMax, atOnce] = [0, 0, 0]
  const askClients = async ({ metadata }: Pod): Promise<ClientsAnswer | undefined> => {
    count++
    atOnceMax = Math.max(atOnceMax, ++atOnce)
    await Promise.resolve()
    atOnce--
    return metadata.name === 'eu-3' ? undefined : node(1, 'draining')
  }
  const pods = [...Array.from({ length: 100 }, (_, no) => pod(no)), pod(100, 'Pending')]
  const seen = await askAll({ askClients }, pods, worldOf(true))
  t.equal(seen?.answers.length, 99)
  t.equal(seen?.askedCount, 100)
  t.equal(count, 100)
  t.ok(atOnceMax <= 32)
  t.equal(await askAll({ askClients }, pods, worldOf(false)), undefined)
  t.equal(await askAll({ askClients }, pods, undefined), undefined)
  t.equal(count, 100, 'nobody is asked without need')
})
