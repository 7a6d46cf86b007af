/** What the namespaces of apps say of their channels (protocol 7.11, 14.3). */

import { type AppDirectory, type NamespaceConfig, namespaceOf } from '../auth/app.ts'
import { limits } from '../base/limits.ts'
import type { Batching } from '../channel/batching.ts'
import { keepsNothing, type Keeping, type PublishRule } from '../channel/channel-archive.ts'
import { META_PREFIX } from '../wire/params.ts'

/** What is kept for long, and what is told together. */
export interface ChannelRules extends Keeping {
  batching(channel: string): Batching | undefined
}

/** Those of nobody. */
export const noRules: ChannelRules = { ...keepsNothing, batching: () => undefined }

/** The rules of the apps as they are now. */
export class NamespaceRules implements ChannelRules {
  readonly #directory: AppDirectory

  constructor(directory: AppDirectory) {
    this.#directory = directory
  }

  get version(): number {
    return this.#directory.version
  }

  kept(channel: string): PublishRule {
    const rules = this.#of(channel)
    if (rules === undefined) return {}
    const keptMs = rules.persisted ? rules.retentionMs ?? limits.retentionMs : undefined
    const kept = { keptMs, isLastKept: rules.persistLast }
    return rules.acknowledge === 'global' ? { ...kept, isGlobal: true } : kept
  }

  batching(channel: string): Batching | undefined {
    const rules = this.#of(channel)?.batching
    if (rules === undefined) return undefined
    return { intervalMs: rules.intervalMs, isConflating: rules.policy === 'conflating' }
  }

  #of(channel: string): NamespaceConfig | undefined {
    const at = channel.indexOf('/')
    const [appId, base] = [channel.slice(0, at), channel.slice(at + 1)]
    if (base.startsWith(META_PREFIX)) return undefined
    const app = this.#directory.app(appId)
    return app === undefined ? undefined : namespaceOf(app, base)
  }
}

/** What the rules say of one channel; asked of every broadcast, so looked up once per version. */
export function batchingOf(
  channel: string, rules: () => ChannelRules
): () => Batching | undefined {
  let version: number | undefined
  let known: Batching | undefined
  return () => {
    const now = rules()
    if (now.version !== version) {
      version = now.version
      known = now.batching(channel)
    }
    return known
  }
}
