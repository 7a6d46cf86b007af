import t from 'tap'
import { type PodFact, Roster } from '../../../src/ring/roster.ts'
import { defaultTiming } from '../../../src/ring/timing.ts'
import type { Member, View } from '../../../src/ring/view.ts'
import { after, memberNo, membersOf, viewOf } from './regions.ts'

const { silenceMs, suspectSettleMs, suspicionKeptMs, podUnseenMs, helloKeptMs } = defaultTiming

function podOf(member: Pick<Member, 'node' | 'uid'>, fields: Partial<PodFact> = {}): PodFact {
  return {
    node: member.node, uid: member.uid, phase: 'Running', isReady: true, host: '10.0.0.1',
    zone: '', isTerminating: false, isTerminated: false, ...fields
  }
}

/** The roster of n0 in a region of `count` nodes whose pods are all there. */
class Rig {
  readonly roster = new Roster(defaultTiming)
  view: View
  pods: PodFact[]
  nowMs = 100_000

  constructor(count: number) {
    this.view = viewOf(membersOf(count), 16)
    this.pods = this.view.members.map((member) => podOf(member))
    this.roster.onPods(this.pods)
    this.roster.onView(this.view, this.nowMs)
  }

  /** Lists these pods, the others as before; `undefined`: not in the list. */
  pod(node: string, fields: Partial<PodFact> | undefined): void {
    this.pods = this.pods.flatMap((pod) => {
      if (pod.node !== node) return [pod]
      return fields === undefined ? [] : [{ ...pod, ...fields }]
    })
    this.roster.onPods(this.pods)
  }

  /** Each of `watchers` tells that it misses each of `suspects`. */
  tell(watchers: string, suspects: string, isProbeFailed = true): void {
    const told = suspects.split(' ').filter((name) => name !== '')
      .map((node) => ({ incarnation: `${node}#1`, isProbeFailed }))
    for (const node of watchers.split(' ')) {
      this.roster.onSuspicions(`${node}#1`, told, this.nowMs)
    }
  }

  gone(): string {
    return [...this.roster.facts(this.view, this.nowMs).gone.keys()].sort().join(' ')
  }

  /** Who is gone once it could be seen how many are silent. */
  goneAfterSettling(): string {
    this.gone()
    this.nowMs += suspectSettleMs
    return this.gone()
  }
}

t.test('[8] an API fact counts at once', async (t) => {
  const facts: [string, Partial<PodFact> | undefined][] = [
    ['the pod is not listed any more', undefined],
    ['another pod has its name', { uid: 'other' }],
    ['it failed', { isTerminated: true, phase: 'Failed' }],
    ['its container ended after it started', { isTerminated: true, containerEndedAtMs: 5_000 }]
  ]
  for (const [what, fields] of facts) {
    const rig = new Rig(4)
    t.equal(rig.gone(), '')
    rig.pod('n2', fields)
    t.equal(rig.gone(), 'n2#1', what)
  }
})

t.test('[8] what the API says of a former life is not said of this one', async (t) => {
  const rig = new Rig(4)
  rig.pod('n2', { isTerminated: true, containerEndedAtMs: 900 })
  t.equal(rig.gone(), '', 'the container that ended is the one before')
  rig.pod('n2', { isTerminating: true, isReady: false })
  t.equal(rig.gone(), '', 'a deletionTimestamp is only leaving')
  t.same([...rig.roster.facts(rig.view, rig.nowMs).leaving], ['n2#1'])
})

/** A region of three, and a fourth member that no list of pods has had. */
function withUnseen(): Rig {
  const rig = new Rig(3)
  rig.view = after(rig.view, { joined: [memberNo(8, { state: 'joining' })] })
  rig.roster.onView(rig.view, rig.nowMs)
  rig.gone()
  return rig
}

t.test('[8] a pod that no list has had is gone if one that is asked for lacks it', async (t) => {
  const rig = withUnseen()
  rig.nowMs += podUnseenMs - 1
  t.equal(rig.roster.isListDue(rig.nowMs), false, 'a list that is a moment late is none to ask for')
  rig.nowMs += 1
  t.equal(rig.roster.isListDue(rig.nowMs), true)
  t.equal(rig.roster.isListDue(rig.nowMs), false, 'it is asked for once')
  rig.nowMs += 3_600_000
  rig.roster.onPods(rig.pods)
  t.equal(rig.gone(), '', 'what a watch says may be older than the member')
  rig.roster.onPods(rig.pods, true)
  t.equal(rig.gone(), 'n8#1')
  t.equal(rig.roster.isListDue(rig.nowMs), false)
})

t.test('[8] who was listed after a list was asked for is not judged by it', async (t) => {
  const rig = withUnseen()
  rig.nowMs += podUnseenMs
  t.equal(rig.roster.isListDue(rig.nowMs), true)
  rig.view = after(rig.view, { joined: [memberNo(9, { state: 'joining' })] })
  rig.roster.onView(rig.view, rig.nowMs)
  rig.gone()
  rig.pods.push(podOf(memberNo(8)))
  rig.roster.onPods(rig.pods, true)
  t.equal(rig.gone(), '', 'the one is there, of the other it says nothing')
  rig.nowMs += podUnseenMs
  t.equal(rig.roster.isListDue(rig.nowMs), true)
  rig.roster.onPods(rig.pods, true)
  t.equal(rig.gone(), 'n9#1')
})

t.test('[10] while the API is away what its last list lacks proves nothing', async (t) => {
  const rig = withUnseen()
  rig.roster.onPodsAway()
  for (let hour = 0; hour < 3; hour++) {
    rig.nowMs += 3_600_000
    t.equal(rig.gone(), '')
    t.equal(rig.roster.isListDue(rig.nowMs), false)
  }
  rig.roster.onPods(rig.pods)
  t.equal(rig.gone(), '')
  t.equal(rig.roster.isListDue(rig.nowMs), false, 'nor does the time while it was away count after')
  rig.nowMs += podUnseenMs
  t.equal(rig.roster.isListDue(rig.nowMs), true)
  const never = new Roster(defaultTiming)
  never.onView(rig.view, 0)
  t.equal(never.facts(rig.view, 3_600_000).gone.size, 0, 'without any list nobody is gone')
})

t.test('[8] silence needs two watchers, each with a failed probe', async (t) => {
  const rig = new Rig(6)
  rig.tell('n1', 'n5')
  t.equal(rig.goneAfterSettling(), '', 'one witness')
  rig.tell('n2', 'n5', false)
  t.equal(rig.goneAfterSettling(), '', 'the port answered the other')
  rig.tell('n2', 'n5')
  t.equal(rig.goneAfterSettling(), 'n5#1')
})

t.test('[8] in a region of two one watcher is all there is', async (t) => {
  const rig = new Rig(2)
  rig.tell('n0', 'n1')
  t.equal(rig.gone(), '', 'not before others could have been told of')
  t.equal(rig.goneAfterSettling(), 'n1#1')
})

t.test('[8] whom this node hears is not silent; whom it heard long ago may be', async (t) => {
  const rig = new Rig(6)
  rig.tell('n1 n2', 'n5')
  rig.gone()
  rig.roster.onHeard('n5#1', rig.nowMs)
  t.equal(rig.goneAfterSettling(), '')
  rig.nowMs += silenceMs
  rig.tell('n1 n2', 'n5')
  t.equal(rig.gone(), '', 'the time to settle begins anew')
  t.equal(rig.goneAfterSettling(), 'n5#1')
})

t.test('[8] a suspicion that is taken back, or not said again, is none', async (t) => {
  const rig = new Rig(6)
  rig.tell('n1 n2', 'n5')
  rig.gone()
  rig.tell('n2', '')
  t.equal(rig.goneAfterSettling(), '')
  rig.tell('n1 n2', 'n5')
  rig.gone()
  rig.nowMs += suspicionKeptMs
  t.equal(rig.gone(), '')
  t.equal(rig.roster.nextDeadlineMs(rig.nowMs), Infinity, 'nothing is waited for')
})

t.test('[8] neither the suspect nor the dead nor strangers are witnesses', async (t) => {
  const rig = new Rig(8)
  rig.tell('n1 n5 n99', 'n5')
  t.equal(rig.goneAfterSettling(), '')
  rig.tell('n2', 'n5')
  rig.pod('n2', undefined)
  t.equal(rig.goneAfterSettling(), 'n2#1')
  rig.tell('n3', 'n5')
  t.equal(rig.goneAfterSettling(), 'n2#1 n5#1')
})

t.test('[8] more than a third silent at once: only API facts remove', async (t) => {
  const rig = new Rig(9)
  rig.tell('n1 n2', 'n5 n6 n7')
  t.equal(rig.goneAfterSettling(), 'n5#1 n6#1 n7#1', 'a third is not more than a third')
  rig.tell('n1 n2', 'n4 n5 n6 n7')
  t.equal(rig.goneAfterSettling(), '')
  rig.pod('n5', undefined)
  t.equal(rig.gone(), 'n5#1', 'a fact stays a fact')
  const three = new Rig(3)
  three.tell('n0', 'n1 n2')
  t.equal(three.goneAfterSettling(), '', 'silence of all is silence of the mesh')
})

t.test('[8] silence that only one tells counts towards the third', async (t) => {
  const rig = new Rig(6)
  rig.tell('n1 n2', 'n5')
  rig.tell('n0', 'n3 n4')
  t.equal(rig.goneAfterSettling(), '')
  rig.tell('n0', '')
  t.equal(rig.goneAfterSettling(), 'n5#1')
})

t.test('[8] a newer life that is heard ends the older, and never the other way', async (t) => {
  const rig = new Rig(3)
  rig.roster.onHello(memberNo(1, { state: 'joining' }, 2), 0, rig.nowMs)
  t.equal(rig.gone(), 'n1#1')
  const other = new Rig(3)
  other.roster.onHello(memberNo(1, { state: 'joining', startedAt: 5 }, 0), 0, other.nowMs)
  t.equal(other.gone(), '')
  t.same(other.roster.facts(other.view, other.nowMs).candidates, [])
})

t.test('[8] who was heard long before, by a clock that was ahead, is no newer life', async (t) => {
  const rig = new Rig(3)
  rig.roster.onHello(memberNo(1, { state: 'joining' }, 2), 0, rig.nowMs - helloKeptMs)
  t.equal(rig.gone(), '')
})

t.test('what this node found for itself holds until it hears the node again', async (t) => {
  const rig = new Rig(3)
  rig.roster.onFoundGone('n1#1', 'another answered there')
  rig.roster.onFoundGone('n9#1', 'a stranger')
  t.equal(rig.gone(), 'n1#1')
  rig.roster.onHeard('n1#1', rig.nowMs)
  t.equal(rig.gone(), '')
})

t.test('[7, 8] who did not answer is gone only until anybody listed is heard', async (t) => {
  const rig = new Rig(4)
  for (const incarnation of ['n1#1', 'n2#1', 'n3#1', 'n9#1']) rig.roster.onUnanswering(incarnation)
  t.equal(rig.gone(), 'n1#1 n2#1 n3#1')
  rig.roster.onHello(memberNo(9, { state: 'joining' }), 0, rig.nowMs)
  rig.roster.onHeard('n9#1', rig.nowMs)
  t.equal(rig.gone(), 'n1#1 n2#1 n3#1', 'other candidates wait for the same dead')
  rig.roster.onHeard('n2#1', rig.nowMs)
  t.equal(rig.gone(), '', 'it was the mesh that was silent')
})

t.test('a candidate is heard now and seen in the API, the first started first', async (t) => {
  const rig = new Rig(2)
  const [late, early, unseen, going] = [
    memberNo(5, { startedAt: 9_000 }), memberNo(6, { startedAt: 8_000 }), memberNo(7), memberNo(8)
  ]
  rig.pods.push(podOf(late!), podOf(early!), podOf(going!, { isTerminating: true }))
  rig.roster.onPods(rig.pods)
  for (const each of [late, early, unseen, going]) rig.roster.onHello(each!, 0, rig.nowMs)
  const candidates = (): string[] =>
    rig.roster.facts(rig.view, rig.nowMs).candidates.map(({ node }) => node)
  t.same(candidates(), ['n6', 'n5'])
  rig.nowMs += helloKeptMs
  rig.roster.onHello(late!, 0, rig.nowMs)
  t.same(candidates(), ['n5'], 'one that is not heard any more is none')
})

t.test('[7] a removed life stays out, whatever it says; its next one comes in', async (t) => {
  const rig = new Rig(3)
  rig.view = after(rig.view, { removed: new Map([['n2#1', 'test']]) })
  rig.roster.onView(rig.view, rig.nowMs)
  rig.roster.onHello(memberNo(2), 0, rig.nowMs)
  t.same(rig.roster.facts(rig.view, rig.nowMs).candidates, [])
  rig.roster.onHello(memberNo(2, { state: 'joining' }, 2), 0, rig.nowMs)
  const [next, ...more] = rig.roster.facts(rig.view, rig.nowMs).candidates
  t.equal(next?.incarnation, 'n2#2')
  t.same(more, [])
})

t.test('a joining node is confirmed once it holds a view that lists it', async (t) => {
  const rig = new Rig(2)
  const joining = memberNo(5, { state: 'joining' })
  rig.pods.push(podOf(joining))
  rig.roster.onPods(rig.pods)
  const confirmed = (): string[] => [...rig.roster.facts(rig.view, rig.nowMs).confirmed]
  rig.roster.onHello(joining, 1, rig.nowMs)
  rig.view = after(rig.view, { joined: [joining] })
  rig.roster.onView(rig.view, rig.nowMs)
  t.same(confirmed(), [], 'it holds the one before')
  rig.roster.onHello(joining, 2, rig.nowMs)
  t.same(confirmed(), ['n5#1'])
})

t.test('leaving is said once and stays; nothing is kept of those who went', async (t) => {
  const rig = new Rig(4)
  rig.roster.onLeaving('n2#1', false)
  rig.roster.onLeaving('n7#1', true)
  let facts = rig.roster.facts(rig.view, rig.nowMs)
  t.same([[...facts.leaving], [...facts.handedOver]], [['n2#1'], []])
  rig.roster.onLeaving('n2#1', true)
  rig.tell('n2', 'n3')
  rig.view = after(rig.view, { removed: new Map([['n2#1', 'test']]) })
  rig.roster.onView(rig.view, rig.nowMs)
  facts = rig.roster.facts(rig.view, rig.nowMs)
  t.same([[...facts.leaving], [...facts.handedOver], [...facts.gone]], [[], [], []])
  t.equal(rig.roster.nextDeadlineMs(rig.nowMs), Infinity, 'nor of what it told')
})

t.test('[8] who did not answer a node that was alone is not gone once it is not', async (t) => {
  const view = viewOf(membersOf(3), 16)
  const roster = new Roster(defaultTiming)
  roster.onView(view, 0)
  roster.onUnanswering('n1#1')
  t.ok(roster.facts(view, 10).gone.has('n1#1'))
  roster.onNotAlone()
  t.notOk(roster.facts(view, 10).gone.has('n1#1'))
})
