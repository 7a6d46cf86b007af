/** What the namespaces of apps say of what is kept for long (protocol 7.11, 14.3). */

import { type AppDirectory, namespaceOf } from '../auth/app.ts'
import { limits } from '../base/limits.ts'
import type { Keeping, Kept } from '../channel/channel-archive.ts'
import { META_PREFIX } from '../wire/params.ts'

/** The rules of the apps as they are now. */
export class NamespaceKeeping implements Keeping {
  readonly #directory: AppDirectory

  constructor(directory: AppDirectory) {
    this.#directory = directory
  }

  get version(): number {
    return this.#directory.version
  }

  kept(channel: string): Kept {
    const at = channel.indexOf('/')
    const [appId, base] = [channel.slice(0, at), channel.slice(at + 1)]
    if (base.startsWith(META_PREFIX)) return {}
    const app = this.#directory.app(appId)
    const rules = app === undefined ? undefined : namespaceOf(app, base)
    if (rules === undefined) return {}
    const keptMs = rules.persisted ? rules.retentionMs ?? limits.retentionMs : undefined
    return { keptMs, isLastKept: rules.persistLast }
  }
}
