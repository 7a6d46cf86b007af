/**
 * Measures, a few times a second, how much a worker thread has to do: how late its event loop comes
 * to what is due, and how much of its memory is used. What follows from that the core decides
 * (node/overload.ts).
 */

import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { limits } from '../base/limits.ts'
import type { Strain } from '../node/overload.ts'

/** What is known of a thread's memory, in bytes. */
export interface MemoryFacts {
  readonly heapUsed: number
  readonly heapMax: number
  /** Of the whole process. */
  readonly resident: number
  /** What the process may have; 0 or more than there is: nobody said. */
  readonly constrained: number
  readonly installed: number
}

/** The share of what may be used: of the thread's heap, or of the process's memory. */
export function memoryShareOf(facts: MemoryFacts): number {
  const { heapUsed, heapMax, resident, constrained, installed } = facts
  const allowed = constrained > 0 ? Math.min(constrained, installed) : installed
  return Math.max(heapUsed / heapMax, resident / allowed)
}

/**
 * Looks every `limits.strainLookMs`, for as long as the thread lives, and tells `onStrain` how it
 * is; when all is well it is told so often enough to be believed, and then no more.
 */
export function watchLoad(onStrain: (strain: Strain) => void): void {
  let lookedAtMs = performance.now()
  let calmLooks = 0
  let resident = 0
  setInterval(() => {
    const nowMs = performance.now()
    const lagMs = Math.max(0, nowMs - lookedAtMs - limits.strainLookMs)
    lookedAtMs = nowMs
    const facts = memoryFacts(resident)
    resident = facts.resident
    const memoryShare = memoryShareOf(facts)
    const isCalm = lagMs < limits.calmLagMs && memoryShare < limits.calmMemoryShare
    calmLooks = isCalm ? calmLooks + 1 : 0
    if (calmLooks <= limits.calmLooks) onStrain({ lagMs, memoryShare })
  }, limits.strainLookMs)
}

/** Of this thread. Unlike the process's own account it takes no file to open. */
export function heapUsedBytes(): number {
  return getHeapStatistics().used_heap_size
}

/** `resident` is what it was at the last look where it cannot be known: without a file to open. */
function memoryFacts(knownResident: number): MemoryFacts {
  const { used_heap_size: heapUsed, heap_size_limit: heapMax } = getHeapStatistics()
  return {
    heapUsed,
    heapMax,
    resident: residentBytes() ?? knownResident,
    constrained: process.constrainedMemory(),
    installed: totalmem()
  }
}

function residentBytes(): number | undefined {
  try {
    return process.memoryUsage.rss()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EMFILE') return undefined
    throw error
  }
}
