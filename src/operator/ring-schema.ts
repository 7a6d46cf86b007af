/*
The RealtimeRing: the view that the nodes of a region agree on. The operator makes the object and
never touches its status, which the nodes write by compare-and-swap.
*/

import { integer, list, record, text } from './schema.ts'
import type { RecordSchema } from './schema.ts'

export const ringSpecSchema: RecordSchema = record('What never changes about the ring.', {
  partitionCount: integer('How many partitions there are. Immutable.', {
    minimum: 16,
    maximum: 65536,
    default: 4096,
    rules: [{
      cel: 'self == oldSelf',
      message: 'partitionCount is immutable: every channel would move to another log'
    }]
  })
}, { default: {} })

const memberSchema = record('One node of the ring.', {
  node: text('Pod name.'),
  uid: text('Pod uid.'),
  incarnation: text('Which start of that pod this is.'),
  startedAt: integer('When it started, in milliseconds since 1970.', { format: 'int64' }),
  workers: integer('How many worker threads it has.'),
  zone: text('Zone it runs in; successors are chosen in other zones.'),
  meshVersion: integer('Version of the mesh protocol it speaks.'),
  state: text('Where it is in its life.', { choices: ['joining', 'serving', 'leaving'] }),
  host: text('Address of its private port.'),
  privatePort: integer('Its private port.')
}, { required: ['node', 'uid', 'incarnation', 'state'] })

const tombstoneSchema = record('A node that was removed and never returns.', {
  node: text('Pod name.'),
  incarnation: text('Which start of that pod it was.'),
  removedAtMs: integer('When it was removed, in milliseconds since 1970.', { format: 'int64' })
}, { required: ['node', 'incarnation', 'removedAtMs'] })

const logSchema = record('Where the logs of the partitions are kept.', {
  generation: text('Random part of the names of the streams, so that no log is ever taken for ' +
    'one that was there before.', { pattern: '^[A-Za-z0-9]+$', maxLength: 64 }),
  streamCount: integer('How many streams hold them; partition p is in stream p mod this.',
    { minimum: 1, maximum: 64 }),
  redundancy: integer('How many copies each stream has.', { minimum: 1, maximum: 5 }),
  maker: text('The one node that may make the streams; absent once they are made.')
}, { required: ['generation', 'streamCount', 'redundancy'] })

const handoverSchema = record('Partitions that one node is to master from the next view on.', {
  to: text('Which start of a pod receives them.'),
  partitions: list('Their numbers.', integer('One partition.', { minimum: 0, maximum: 65535 }),
    { maxItems: 1024 })
}, { required: ['to', 'partitions'] })

export const ringStatusSchema: RecordSchema = record('The view, written by the nodes.', {
  version: integer('Number of this view; it only grows.', { format: 'int64' }),
  memberCount: integer('How many nodes this view has.'),
  members: list('The nodes of this view.', memberSchema, { maxItems: 1000 }),
  tombstones: list('Nodes removed lately.', tombstoneSchema, { maxItems: 2000 }),
  assignment: text('Master and successors of every partition: the table, in base64.',
    { maxLength: 1048576 }),
  successorCount: integer('How many successors each partition has.'),
  log: logSchema,
  handovers: list('What moves with the next view, as planned.', handoverSchema,
    { maxItems: 1000 }),
  updatedBy: text('Node that wrote this view.'),
  updatedAt: text('When.', { format: 'date-time' })
})
