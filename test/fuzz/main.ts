/**
 * `make fuzz FRAMES=1000000 SEED=…`: hostile input for the core in virtual time and, in a smaller
 * share, for a dev region through real sockets. One seed is one run of the core, exactly; through
 * sockets it is one choice of what is sent.
 *
 *   node --expose-gc test/fuzz/main.ts --frames 1000000 --seed x
 */

import { parseArgs } from 'node:util'
import { fuzzCore } from './core.ts'
import { fuzzPorts } from './ports.ts'

/** Of all frames, this part goes through sockets too. */
const PORTS_SHARE = 0.04

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' }
  }
})
const frameCount = Number(values.frames)
console.log(`seed ${values.seed}`)
const startedAtMs = performance.now()
const core = fuzzCore(values.seed, frameCount)
tell('the core', startedAtMs, { ...core })
const portsStartedAtMs = performance.now()
const ports = await fuzzPorts(values.seed, Math.ceil(frameCount * PORTS_SHARE))
tell('through sockets', portsStartedAtMs, { ...ports })

function tell(what: string, sinceMs: number, figures: Record<string, number>): void {
  const seconds = (performance.now() - sinceMs) / 1_000
  const perSecond = Math.round(figures.frameCount! / seconds)
  console.log(`${what}: ${figures.frameCount} frames in ${seconds.toFixed(1)} s, ${perSecond}/s`)
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name} ${value}`)
}
