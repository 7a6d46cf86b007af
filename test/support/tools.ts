/**
 * Finds the servers and commands that tests run but npm does not bring: nats-server, etcd,
 * kube-apiserver and the parts of the local cluster. `make tools` builds them; a machine that
 * has them elsewhere points at them. A test whose tools are missing is skipped by name:
 *
 *   t.test('[K1] …', { skip: missingTools('etcd', 'kube-apiserver') }, async t => { … })
 */

import { createHash } from 'node:crypto'
import { accessSync, constants, readFileSync, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

const modulesFolder = join(import.meta.dirname, '..', '..', 'tools')

/** What finds a tool, as plain values so that a test can give its own. */
export type ToolSearch = {
  /** Folder of the binaries of envtest, as `setup-envtest` prints it; searched first. */
  kubebuilderAssets?: string
  /** Folder in which `tools/build.sh` keeps one folder per group and version. */
  cacheFolder: string
  /** Folders of the PATH, searched last. */
  pathFolders: string[]
}

/** The search that this process's environment asks for. */
export function toolSearchOf (env: NodeJS.ProcessEnv): ToolSearch {
  const cacheHome = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache')
  return {
    kubebuilderAssets: env.KUBEBUILDER_ASSETS || undefined,
    cacheFolder: join(cacheHome, 'ringcast', 'tools'),
    pathFolders: (env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  }
}

/**
 * Path of the binary `name`, or undefined when this machine has none. Searched in
 * KUBEBUILDER_ASSETS, then among the binaries built by `make tools`, then in the PATH.
 */
export function toolPath (
  name: string,
  search: ToolSearch = toolSearchOf(process.env)
): string | undefined {
  const assets = search.kubebuilderAssets === undefined ? [] : [search.kubebuilderAssets]
  return firstExecutable([...assets, ...builtFolders(search), ...search.pathFolders], name)
}

/**
 * Path of the binary `name` at the version this project pins, else one from the PATH: for the
 * local cluster, whose parts must be of one Kubernetes release.
 */
export function pinnedToolPath (
  name: string,
  search: ToolSearch = toolSearchOf(process.env)
): string | undefined {
  return firstExecutable([...builtFolders(search), ...search.pathFolders], name)
}

/**
 * Why a test that needs these tools must be skipped, in words for tap's `skip` option: which are
 * missing and what to run. False when all are there.
 */
export function missingTools (...names: string[]): string | false {
  const missing = names.filter(name => toolPath(name) === undefined)
  if (missing.length === 0) return false
  const target = missing.every(name => name === 'nats-server') ? 'tools-nats' : 'tools'
  return `${missing.join(', ')} not found on this machine: run \`make ${target}\``
}

/**
 * One folder per group, named as `tools/build.sh` names it: after the checksum of the go.mod that
 * pins the group's versions, so that a changed pin is never served by an old binary.
 */
function builtFolders (search: ToolSearch): string[] {
  const folders: string[] = []
  for (const entry of readdirSync(modulesFolder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const checksum = createHash('sha256')
      .update(readFileSync(join(modulesFolder, entry.name, 'go.mod')))
      .digest('hex')
    folders.push(join(search.cacheFolder, `${entry.name}-${checksum.slice(0, 12)}`))
  }
  return folders
}

function firstExecutable (folders: string[], name: string): string | undefined {
  return folders.map(folder => join(folder, name)).find(isExecutable)
}

function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    // Absent and not executable are the same answer here.
    return false
  }
}
