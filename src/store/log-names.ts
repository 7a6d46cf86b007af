/**
 * What the streams and subjects of a ring's logs are called. All begin with region and ring uid
 * and carry the generation, so that no log is ever taken for another's: not for that of a former
 * ring, nor for one that was lost and made anew (rule 1).
 */

import { createHash } from 'node:crypto'
import type { Shelf } from '../log/archive.ts'
import type { LogPlan } from '../node/member-ports.ts'

/** The stream that holds a partition. */
export function streamIndexOf(partition: number, plan: LogPlan): number {
  return partition % plan.streamCount
}

/** The name of one stream; `prefix` is that of the ring's subjects (bus/subjects.ts). */
export function streamName(prefix: string, { generation }: LogPlan, index: number): string {
  return `${prefix.replaceAll('.', '_')}_${generation}_L${index}`
}

/** Everything that one stream stores. */
export function streamSubjects(prefix: string, { generation }: LogPlan, index: number): string {
  return `${prefix}.log.${generation}.${index}.*`
}

/** A subject of a stream that is no partition's: nothing is ever stored there. */
export function probeSubject(prefix: string, { generation }: LogPlan, index: number): string {
  return `${prefix}.log.${generation}.${index}.probe`
}

/** The subject of one partition. */
export function partitionSubject(prefix: string, plan: LogPlan, partition: number): string {
  return `${prefix}.log.${plan.generation}.${streamIndexOf(partition, plan)}.${partition}`
}

/** The stream of a ring's statistics, which outlive its logs. */
export function statsStreamName(prefix: string): string {
  return `${prefix.replaceAll('.', '_')}_stats`
}

/** The subject of a record of statistics; keys hold nothing that NATS would read as syntax. */
export function statsSubject(prefix: string, key: string): string {
  return `${prefix}.stats.${key.replaceAll('/', '.')}`
}

/** The archive's stream for the partitions of the log's stream of that index. */
export function archiveStreamName(prefix: string, { generation }: LogPlan, index: number): string {
  return `${prefix.replaceAll('.', '_')}_${generation}_H${index}`
}

export function archiveSubjects(prefix: string, { generation }: LogPlan, index: number): string {
  return `${prefix}.archive.${generation}.${index}.>`
}

/** The subject of one shelf. Names of channels may be anything, and long: they are digested. */
export function shelfSubject(prefix: string, plan: LogPlan, shelf: Shelf): string {
  const { partition, channel, of } = shelf
  const digest = createHash('sha256').update(channel).digest('base64url')
  const index = streamIndexOf(partition, plan)
  return `${prefix}.archive.${plan.generation}.${index}.${partition}.${of}.${digest}`
}
