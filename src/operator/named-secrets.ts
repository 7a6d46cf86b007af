/*
Secrets that regions name and the operator did not make: of a world, of an external NATS. They
carry no label of ours, so each is watched by itself, by its name and as long as a region names it;
no other Secret of anybody enters our memory.
*/

import type { KubeClient } from '../kube/client.ts'
import { ListWatch } from '../kube/list-watch.ts'
import type { ListWatchMetrics } from '../kube/list-watch.ts'
import type { KubeObject } from '../kube/resource.ts'
import { secretResource } from './names.ts'

export interface NamedSecretsOptions {
  client: KubeClient
  /** A Secret that this region names is new, or another, or gone. */
  onChange: (namespace: string, region: string) => void
  onProblem: (during: string, error: unknown) => void
  metrics?: ListWatchMetrics
}

interface Watched {
  watch: ListWatch<KubeObject>
  /** Those that name it, all of its namespace. */
  regions: Set<string>
}

export class NamedSecrets {
  readonly #options: NamedSecretsOptions
  /** By namespace/name. */
  readonly #watched = new Map<string, Watched>()

  constructor (options: NamedSecretsOptions) {
    this.#options = options
  }

  /** The region names these from now on, and no others. */
  follow (namespace: string, region: string, names: readonly string[]): void {
    const wanted = new Set(names.map(name => `${namespace}/${name}`))
    for (const [key, { watch, regions }] of this.#watched) {
      if (!key.startsWith(`${namespace}/`) || wanted.has(key)) continue
      if (!regions.delete(region) || regions.size > 0) continue
      watch.stop()
      this.#watched.delete(key)
    }
    for (const name of names) {
      const known = this.#watched.get(`${namespace}/${name}`)
      if (known === undefined) this.#watch(namespace, name, region)
      else known.regions.add(region)
    }
  }

  stop (): void {
    for (const { watch } of this.#watched.values()) watch.stop()
    this.#watched.clear()
  }

  #watch (namespace: string, name: string, region: string): void {
    const { client, onChange, onProblem, metrics } = this.#options
    const regions = new Set([region])
    const watch = new ListWatch<KubeObject>({
      client,
      resource: secretResource,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onChange: () => { for (const each of regions) onChange(namespace, each) },
      onProblem: ({ during, error }) => onProblem(during, error),
      ...(metrics === undefined ? {} : { metrics })
    })
    this.#watched.set(`${namespace}/${name}`, { watch, regions })
    watch.start()
  }
}

/** The Secrets that an object names, whatever else its spec says. */
export function secretNamesOf (object: KubeObject | undefined): string[] {
  interface Naming {
    spec?: {
      world?: { secretName?: unknown } | null
      nats?: { external?: { secretName?: unknown } | null } | null
    }
  }
  const { spec } = (object ?? {}) as Naming
  return [spec?.world?.secretName, spec?.nats?.external?.secretName]
    .filter(name => typeof name === 'string' && name !== '') as string[]
}
