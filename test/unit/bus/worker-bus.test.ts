import t from 'tap'
import type { Mesh } from '../../../src/bus/mesh.ts'
import { WorkerBus } from '../../../src/bus/worker-bus.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'
import { MESH_FORMAT_VERSION } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { membersOf, viewOf } from '../ring/regions.ts'

const self = { incarnation: 'eu0', worker: 0 }

function viewAt(name: string) {
  const members = membersOf(2).map((member, no) => ({ ...member, incarnation: `${name}${no}` }))
  return viewOf(members, 16, 1)
}

t.test('a place is reached by the prefix of its region', async (t) => {
  const subjects: string[] = []
  const mesh: Mesh = {
    isUp: true,
    publish: (subject) => void subjects.push(subject),
    subscribe: () => undefined,
    close: async () => undefined
  }
  const bus = new WorkerBus(self, 'ringcast.eu.u', mesh, () => undefined)
  const sentTo = (to: Place): string[] => {
    const stream = { generation: 1, number: 1 }
    const frame: LinkFrame = {
      kind: 'unknownStream', formatVersion: MESH_FORMAT_VERSION, from: self, to, viewVersion: 1,
      stream
    }
    bus.send(to, frame)
    return subjects.splice(0)
  }
  const [near, far] = [{ incarnation: 'eu1', worker: 0 }, { incarnation: 'us1', worker: 2 }]
  bus.learn([
    { prefix: 'ringcast.us.u', view: viewAt('us') }, { prefix: 'ringcast.ap.u', view: viewAt('ap') }
  ])
  t.same(sentTo(near), ['ringcast.eu.u.in.eu1.0'], 'whom our view may not list yet')
  t.same(sentTo(far), ['ringcast.us.u.in.us1.2'])
  t.same(sentTo({ incarnation: 'ap0', worker: 0 }), ['ringcast.ap.u.in.ap0.0'])
  bus.learn([{ prefix: 'ringcast.ap.u', view: viewAt('ap') }])
  t.same(sentTo(far).filter((subject) => subject.startsWith('ringcast.us')), [],
    'a region that is out of the world is sent nothing')
})
