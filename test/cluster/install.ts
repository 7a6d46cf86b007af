/**
 * Ringcast on a cluster: the chart by helm, the example region by kubectl.
 */

import { join } from 'node:path'
import { pinnedToolPath } from '../support/tools.ts'
import { projectImage } from './images.ts'
import { run } from './shell.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** The namespace that the example is applied to. */
export const exampleNamespace = 'default'

function tool(name: string): string {
  const path = pinnedToolPath(name)
  if (path === undefined) throw new Error(`${name} is missing: make tools`)
  return path
}

/** Runs kubectl against the cluster of `kubeconfig`; resolves with its output. */
export function kubectl(kubeconfig: string, args: string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: kubeconfig }
  return run(tool('kubectl'), args, { env })
}

/** Installs the chart (or upgrades it) and waits until the operator runs. */
export async function installChart(kubeconfig: string, isExisting: boolean): Promise<void> {
  const [repository, tag] = projectImage.split(/:(?=[^:/]+$)/) as [string, string]
  const image = [
    '--set', `image.repository=${repository}`, '--set', `image.tag=${tag}`,
    '--set', 'image.pullPolicy=IfNotPresent'
  ]
  await run(tool('helm'), [
    'upgrade', '--install', 'ringcast', join(ROOT, 'charts/ringcast'), '--namespace', 'ringcast',
    '--create-namespace', '--wait', '--timeout', '3m', ...(isExisting ? [] : image)
  ], { env: { ...process.env, KUBECONFIG: kubeconfig } })
}

/** Applies the example region and its app, and waits until both are Ready. */
export async function applyExample(kubeconfig: string): Promise<void> {
  const example = join(ROOT, 'deploy/examples/region.yaml')
  await kubectl(kubeconfig, ['apply', '--namespace', exampleNamespace, '-f', example])
  await kubectl(kubeconfig, [
    'wait', '--namespace', exampleNamespace, 'realtimeregion/main', 'realtimeapp/demo',
    '--for=condition=Ready', '--timeout=3m'
  ])
}

/** A key of the example app; empty as long as there is none of that name. */
export async function apiKey(kubeconfig: string, name = 'default'): Promise<string> {
  const encoded = await kubectl(kubeconfig, [
    'get', 'secret', 'demo-keys', '--namespace', exampleNamespace, '-o', `jsonpath={.data.${name}}`
  ])
  return Buffer.from(encoded, 'base64').toString('utf8')
}
