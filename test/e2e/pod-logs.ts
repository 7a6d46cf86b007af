/** What the pods of a region wrote, kept after the pods are gone. */

import {
  existsSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '../cluster/cluster.ts'

export class PodLogs {
  readonly #cluster: Cluster
  readonly #prefix: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'ringcast-e2e-'))
  #isKept = false

  /** `prefix` is how the kubelet's folders of these pods begin: the namespace, then the name. */
  constructor(cluster: Cluster, prefix: string) {
    this.#cluster = cluster
    this.#prefix = prefix
  }

  get folder(): string {
    return this.#folder
  }

  /** Takes hold of the files that are new: the kubelet deletes only its own names for them. */
  gather(): void {
    for (const node of this.#cluster.nodeNames) {
      const root = this.#cluster.podLogs(node)
      const pods = existsSync(root) ? readdirSync(root) : []
      for (const pod of pods.filter((name) => name.startsWith(this.#prefix))) {
        this.#gatherPod(join(root, pod), pod)
      }
    }
  }

  /** All of it so far. */
  text(): string {
    this.gather()
    return readdirSync(this.#folder).sort()
      .map((file) => readFileSync(join(this.#folder, file), 'utf8')).join('\n')
  }

  /** Somebody will want to read them. */
  keep(): void {
    this.#isKept = true
  }

  end(): void {
    if (!this.#isKept) rmSync(this.#folder, { recursive: true, force: true })
  }

  #gatherPod(folder: string, pod: string): void {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.log'))) {
      const kept = join(this.#folder, `${pod}-${file.replaceAll('/', '-')}`)
      try {
        if (!existsSync(kept)) linkSync(join(folder, file), kept)
      } catch (error) {
        // It was deleted between the two looks.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }
}
