/**
 * Faults in what is private: the text of a module is replaced in one place as it is loaded, for
 * one graph of modules of its own. The graph that everybody else uses is not touched, nor is
 * anything on disk.
 */

import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

/** In the module at `path` the text `from`, which is there once, becomes `to`. */
export interface Rewrite {
  readonly path: string
  readonly from: string
  readonly to: string
}

/** What finds faults, in a graph of its own. */
export type Finding = typeof import('./finding.ts')

const ROOT = pathToFileURL(join(import.meta.dirname, '..', '..')).href
const MARK = '?rewritten='
/** By graph, what of it is rewritten, and which of that was met. */
const graphs: { readonly rewrites: readonly Rewrite[]; readonly met: Set<Rewrite> }[] = []

registerHooks({
  resolve(specifier, context, nextResolve) {
    const found = nextResolve(specifier, context)
    const at = context.parentURL?.indexOf(MARK) ?? -1
    const isOurs = found.url.startsWith(`${ROOT}/src/`) || found.url.startsWith(`${ROOT}/test/`)
    if (at < 0 || !isOurs || found.url.includes(MARK)) return found
    return { ...found, url: found.url + context.parentURL!.slice(at) }
  },
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const [path = '', graph] = url.split(MARK)
    if (graph === undefined) return loaded
    const { rewrites, met } = graphs[Number(graph)]!
    const ours = rewrites.filter((each) => path === `${ROOT}/${each.path}`)
    if (ours.length === 0) return loaded
    for (const each of ours) met.add(each)
    return { ...loaded, source: ours.reduce(rewritten, textOf(loaded.source)) }
  }
})

/** Loads everything anew, with this in it. */
export async function loadRewritten(rewrites: readonly Rewrite[]): Promise<Finding> {
  const met = new Set<Rewrite>()
  const graph = graphs.push({ rewrites, met }) - 1
  const finding = (await import(`./finding.ts${MARK}${graph}`)) as Finding
  for (const each of rewrites) if (!met.has(each)) throw new Error(`${each.path} is not loaded`)
  return finding
}

function textOf(source: unknown): string {
  return typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString('utf8')
}

function rewritten(text: string, { path, from, to }: Rewrite): string {
  const count = text.split(from).length - 1
  if (count !== 1) throw new Error(`${path} has this ${count} times, and not once: ${from}`)
  // A function, since `$` means something in a text.
  return text.replace(from, () => to)
}
