/** Faults of who writes the log: what an append without a known outcome is taken for. */

import { type Planted, troubled } from './planting.ts'
import type { Rewrite } from './rewriting.ts'

const WRITER = 'src/log/writer.ts'
const MASTER = 'src/channel/master.ts'
const SEQUENCER = 'src/channel/sequencer.ts'
const DESK = 'src/channel/publish-desk.ts'

/** Publications know how to be refused, until they are in the log and after it. */
const refusable: readonly Rewrite[] = [
  {
    path: DESK,
    from: 'else this.#ports.publish(op)',
    to: `else {
      const error = errors.unavailable('planted').info
      this.#ports.publish({
        ...op, refuse: () => this.#answer(place, publish, { kind: 'refused', error })
      })
    }`
  },
  {
    path: SEQUENCER,
    from: 'this.#ports.append(this.#channel, publication)',
    to: `this.#ports.append(this.#channel,
      Object.defineProperty(publication, 'refuse', { value: op.refuse }))`
  },
  {
    path: 'src/channel/master-ports.ts',
    from: 'publication: { ...op, entry: writer.nextEntry } }',
    to: `publication: Object.defineProperty({ ...op, entry: writer.nextEntry }, 'refuse',
      { value: op.refuse }) }`
  }
]
const refuseAll = 'for (const { publication } of underWay.entries) publication?.refuse?.()'

export const ofTheWriter: readonly Planted[] = [
  {
    name: 'after an unknown outcome the next bytes go out, with the same expectation',
    rule: '2',
    foundBy: ['masters', 'ledger'],
    mix: troubled,
    rewrites: [{
      path: WRITER,
      from: `} else {
      // Refused`,
      to: `} else if (outcome.kind === 'unknown') {
      this.#underWay = undefined
      this.flush(this.#nowMs)
    } else {
      // Refused`
    }]
  },
  {
    name: 'what one read does not show is taken for never stored',
    rule: '2',
    foundBy: ['masters', 'ledger'],
    mix: troubled,
    rewrites: [
      {
        path: WRITER,
        from: `} else if (outcome.kind === 'conflict') {`,
        to: `} else if (outcome.kind === 'conflict' || outcome.kind === 'unknown') {`
      },
      {
        path: WRITER,
        from: 'if (++underWay.missingCount < MISSING_MAX) this.#appendLater(underWay)',
        to: `if (this.#underWay === underWay) {
      this.#underWay = undefined
      this.flush(this.#nowMs)
    }`
      }
    ]
  },
  {
    name: 'a late append of one\'s own is refused to those who published it',
    rule: '3, 18',
    foundBy: ['refused'],
    mix: troubled,
    rewrites: [...refusable, {
      path: WRITER,
      from: `counter === underWay.counter) {`,
      to: `counter === underWay.counter) {
      ${refuseAll}`
    }]
  },
  {
    name: 'what nobody knows is taken for refused',
    rule: '1',
    foundBy: ['refused'],
    mix: troubled,
    rewrites: [...refusable, {
      path: WRITER,
      from: `} else {
      // Refused`,
      to: `} else {
      if (outcome.kind === 'unknown') ${refuseAll}
      // Refused`
    }]
  },
  {
    name: 'what is admitted is acknowledged',
    rule: '3',
    foundBy: ['committed'],
    mix: troubled,
    rewrites: [
      {
        path: DESK, from: 'else this.#ports.publish(op)',
        to: 'else say(this.#ports.publish(op))'
      },
      { path: MASTER, from: '=> void this.#sequencer.publish(op)',
        to: '=> this.#sequencer.publish(op)' }
    ]
  }
]
