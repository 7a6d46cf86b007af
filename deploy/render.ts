/*
Writes the files that are made from others: `crds/*.yaml` from the schemas of the operator, their
copies in the chart, and the plain manifests of `deploy/` from the chart. `make manifests` runs it;
a test holds what is committed against what it would write.
*/

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { stringify } from 'yaml'
import { customResourceDefinitions } from '../src/operator/crd.ts'

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)))

const generated = '# Made by `make manifests`; edit its source instead.\n'

/** Contents by path from the project's root: the CRDs and their copies in the chart. */
export function renderCrds (): Map<string, string> {
  const files = new Map<string, string>()
  for (const definition of customResourceDefinitions()) {
    const { name } = definition.metadata as { name: string }
    const file = `${name.slice(0, name.indexOf('.'))}.yaml`
    const text = generated +
      stringify(definition, { lineWidth: 100, aliasDuplicateObjects: false })
    files.set(join('crds', file), text)
    files.set(join('charts/ringcast/files/crds', file), text)
  }
  return files
}

/** Contents by path: the operator as plain manifests, CRDs included. Needs helm. */
export function renderManifests (helm = 'helm'): Map<string, string> {
  const render = (...options: string[]) => execFileSync(helm, [
    'template', 'ringcast', join(projectRoot, 'charts/ringcast'),
    '--namespace', 'ringcast-system', '--skip-tests', ...options
  ], { encoding: 'utf8' })
  const namespace = [
    'apiVersion: v1', 'kind: Namespace', 'metadata:', '  name: ringcast-system', '  labels:',
    '    pod-security.kubernetes.io/enforce: restricted', ''
  ].join('\n')
  const plain = ['--set', 'isPlainManifest=true']
  return new Map([
    ['deploy/crds.yaml', generated + render('--show-only', 'templates/crds.yaml', ...plain)],
    ['deploy/operator.yaml',
      generated + namespace + render('--set', 'crds.enabled=false', ...plain)]
  ])
}

function write (files: Map<string, string>): void {
  for (const [path, text] of files) {
    const target = join(projectRoot, path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
    process.stdout.write(`${path}\n`)
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  write(renderCrds())
  // The chart reads the copies written just now.
  write(renderManifests(process.argv[2]))
}
