/** Faults of what crosses from region to region: relays, who moves, who is present elsewhere. */

import { Holes } from '../../src/channel/holes.ts'
import { Listeners } from '../../src/channel/listeners.ts'
import { MasterPresence } from '../../src/channel/presence-master.ts'
import { Relays } from '../../src/node/relays.ts'
import { RevocationSync } from '../../src/node/revocation-sync.ts'
import { Relay } from '../../src/region/relay.ts'
import { calmCables } from './cable-weather.ts'
import { deathsAlone } from './mix.ts'
import { all, type Planted, replace } from './planting.ts'

const RELAY = 'src/region/relay.ts'
const RELAYING = 'src/channel/relaying.ts'
const MOVING = 'src/channel/moving.ts'
const HOLES = 'src/channel/hole-reading.ts'
const MERGE = 'src/node/history-merge.ts'
const ABROAD = 'src/channel/abroad.ts'
const COPYING = 'src/channel/copying.ts'

/** Cables that break, and nothing worse. */
const cables = { cuts: 8, oneWayCuts: 5, loss: 0.03, losses: 0, resets: 0 }

export const ofRegions: readonly Planted[] = [
  {
    name: 'a relay passes over a hole',
    rule: '26',
    foundBy: ['mirror', 'journey', 'whole'],
    mix: { workerDeaths: 6, crashes: 3 },
    cables: { ...cables, cuts: 12, isolations: 4 },
    // What a cable loses for long is lost to its link, and both ends are told so.
    limits: { linkBytesMax: 5_000 },
    rewrites: [{ path: RELAY, from: 'if (after > seq) {', to: 'if (after < 0) {' }],
    plant: () => all(
      replace(Relays, 'onLinkReset', () => () => undefined),
      replace(Listeners, 'onLinkReset', () => () => undefined)
    )
  },
  {
    name: 'a relay takes the first page for all that it missed',
    rule: '26',
    foundBy: ['mirror', 'journey', 'whole'],
    cables,
    limits: { backlogPageBytesMax: 300 },
    rewrites: [{ path: RELAY, from: '    if (isWhole) {', to: '    if (isWhole || !isBroken) {' }]
  },
  {
    name: 'of what a region missed the first is left out, where the archive has it',
    rule: '26',
    foundBy: ['mirror', 'break', 'whole'],
    mix: { isKeeping: true },
    cables: { ...cables, cuts: 12, isolations: 4, resets: 1 },
    limits: { tailBytesMax: 1_500 },
    rewrites: [{ path: HOLES, from: 'if (seq <= afterSeq || timestamp < sinceMs) continue',
      to: 'if (seq <= afterSeq + 1) continue' }]
  },
  {
    name: 'what a region missed is not read from the archive',
    rule: '26',
    foundBy: ['break'],
    mix: { isKeeping: true },
    cables,
    plant: () => replace(Holes, 'fill', () => () => false)
  },
  {
    name: 'who has told a part of a page is taken to have told all',
    rule: '26',
    foundBy: ['annals'],
    mix: { isKeeping: true },
    cables,
    rewrites: [{
      path: MERGE, from: 'if (isCut(head)) return undefined', to: 'if (isCut(head)) continue'
    }]
  },
  {
    name: 'of history nobody is told whose was left out',
    rule: '26',
    foundBy: ['annals'],
    mix: { isKeeping: true },
    cables: { ...cables, cuts: 12 },
    rewrites: [{
      path: 'src/node/world-history.ts', from: 'next }, this.#missingBut(read))', to: 'next }, [])'
    }]
  },
  {
    name: 'what is said again in another region is taken for something new',
    rule: '17',
    foundBy: ['once', 'mirror', 'journey'],
    mix: { isKeeping: true },
    cables: calmCables,
    rewrites: [{
      path: ABROAD, from: "if (dedupe.find(transplant) !== 'new') return false", to: ''
    }]
  },
  {
    name: 'a relay that rests is not woken',
    rule: '26',
    foundBy: ['journey', 'whole'],
    cables: {},
    plant: () => replace(Relay, 'wake', () => () => undefined)
  },
  {
    name: 'who takes a channel over does not know how far its relays had come',
    rule: '26',
    foundBy: ['journey', 'mirror', 'once'],
    mix: { workerDeaths: 6 },
    cables,
    rewrites: [{
      path: 'src/channel/relaying.ts',
      from: 'if (isBehind) this.#taken', to: 'if (false) this.#taken'
    }]
  },
  {
    name: 'what came from a region is told to others',
    rule: '26',
    foundBy: ['mirror', 'once', 'journey', 'endless'],
    cables: {},
    rewrites: [{
      path: 'src/channel/transplant.ts', from: 'return origin === undefined',
      to: 'return origin !== null'
    }]
  },
  {
    name: 'who is not told of a break goes on',
    rule: '19',
    foundBy: ['mirror', 'journey'],
    // Logs that refuse now and then excuse that something is lost.
    mix: { logTrouble: 0.001 },
    cables: { ...cables, cuts: 12 },
    limits: { tailMs: 2_000 },
    rewrites: [{
      path: RELAYING, from: 'if (isBroken) this.#owner.breakOff({ region, ...standing })', to: ''
    }]
  },
  {
    name: 'who moves does not wait for what it was told elsewhere',
    rule: '19',
    foundBy: ['journey'],
    cables: { ...cables, slows: 20 },
    rewrites: [{ path: MOVING, from: 'if (bornThrough > 0 && isBehind) return', to: '' }]
  },
  {
    name: 'who moves is asked about once',
    rule: '19',
    foundBy: ['journey'],
    mix: { ...deathsAlone, workerDeaths: 14, crashes: 8 },
    cables: calmCables,
    rewrites: [{
      path: MOVING,
      from: 'else this.#ports.later(this.#channel, limits.movingLookMs, () => this.#look(askId))',
      to: ''
    }]
  },
  {
    name: 'the list of who is present elsewhere is not taken',
    rule: '21',
    foundBy: ['whole'],
    cables: { ...cables, resets: 4 },
    plant: () => replace(MasterPresence, 'onRegion', () => () => undefined)
  },
  {
    name: 'what is revoked in a region others are not told',
    rule: '26',
    foundBy: ['whole'],
    cables: {},
    plant: () => all(
      replace(RevocationSync, 'onFresh', () => () => undefined),
      replace(RevocationSync, 'onMessage', () => () => undefined)
    )
  },
  {
    name: 'what another region has received counts as written there',
    rule: '3',
    foundBy: ['global'],
    mix: { logTrouble: 0.1 },
    cables: {},
    rewrites: [{
      path: RELAYING,
      from: 'const next = this.#newOf(region, publications, standing)',
      to: `const next = this.#newOf(region, publications, standing)
        this.written.begin({ region, ...standing, seq: 0 })
        this.written.onWritten({ region, ...standing })
        this.sayWritten()`
    }]
  },
  {
    name: 'what another region has written it has of all that came before',
    rule: '3',
    foundBy: ['global'],
    mix: { logTrouble: 0.001 },
    cables: { ...cables, resets: 4 },
    rewrites: [{
      path: COPYING,
      from: 'this.#waiting.filter(({ seq }) => seq > after && seq <= through)',
      to: 'this.#waiting.filter(({ seq }) => seq > after * 0)'
    }]
  }
]
