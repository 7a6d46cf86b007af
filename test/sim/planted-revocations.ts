/** Faults of revocations: who is let in, who is told, and who is meant. */

import { Revocations } from '../../src/auth/revocation.ts'
import { RevocationDesk } from '../../src/node/revocations.ts'
import { RevocationLog } from '../../src/node/revocation-log.ts'
import { Session } from '../../src/session/session.ts'
import { type Planted, replace } from './planting.ts'

const calm = { clientDrops: 30, clientAways: 10, crashes: 2, stormMs: 20_000, clientCount: 6 }

export const ofRevocations: readonly Planted[] = [
  {
    name: 'a revoked token is good for another socket',
    rule: '14',
    foundBy: ['revocations', 'whole'],
    mix: calm,
    plant: () => replace(RevocationDesk, 'judge', () => (proven) => proven)
  },
  {
    name: 'who is connected is not told that its token is revoked',
    rule: '14',
    foundBy: ['revocations', 'whole'],
    mix: { ...calm, clientDrops: 0 },
    plant: () => replace(Session, 'disconnect', (former) => {
      return function (this: Session, error) {
        if (error.code !== 40141) former.call(this, error)
      }
    })
  },
  {
    name: 'tokens that were issued later are revoked, too',
    rule: '14',
    foundBy: ['revocations', 'whole'],
    mix: calm,
    plant: () => replace(Revocations, 'appliesAtOf', (former) => {
      return function (this: Revocations, credentials) {
        const { token } = credentials
        if (token === undefined) return undefined
        return former.call(this, { ...credentials, token: { ...token, issuedAtMs: 0 } })
      }
    })
  },
  {
    name: 'tokens are revoked that are yet to be issued',
    rule: '14',
    foundBy: ['revocations'],
    mix: calm,
    plant: () => replace(RevocationLog, 'store', (former) => {
      return function (this: RevocationLog, revocations, onOutcome) {
        const more = revocations.map((each) =>
          ({ ...each, issuedBeforeMs: each.issuedBeforeMs + 60_000 }))
        former.call(this, more, onOutcome)
      }
    })
  },
  {
    name: 'a revocation is answered before it is stored',
    rule: '3',
    foundBy: ['revocations', 'whole'],
    mix: { ...calm, logFulls: 8 },
    plant: () => replace(RevocationLog, 'store', (former) => {
      return function (this: RevocationLog, revocations, onOutcome) {
        former.call(this, revocations, () => undefined)
        onOutcome('stored')
      }
    })
  }
]
