/*
Committed files that are made from others are what `make manifests` would write now.
*/

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { projectRoot, renderCrds, renderManifests } from '../../../deploy/render.ts'
import { appSpecSchema } from '../../../src/operator/app-schema.ts'
import { customResourceDefinitions } from '../../../src/operator/crd.ts'
import { describeViolations, parseApp, parseRegion } from '../../../src/operator/spec.ts'
import { missingTools, toolPath } from '../../support/tools.ts'

const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8')
const documentsOf = (text: string): any[] => parseAllDocuments(text)
  .map(document => document.toJS()).filter(object => object !== null)
const withHelm = { skip: missingTools('helm') }
const template = (...options: string[]): any[] => documentsOf(execFileSync(
  toolPath('helm') ?? '',
  ['template', 'ringcast', join(projectRoot, 'charts/ringcast'), '--namespace', 'ns', ...options],
  { encoding: 'utf8' }
))

t.test('crds/ and the copies in the chart', async t => {
  for (const [path, text] of renderCrds()) t.equal(read(path), text, path)
})

t.test('deploy/', withHelm, async t => {
  for (const [path, text] of renderManifests(toolPath('helm'))) t.equal(read(path), text, path)
})

t.test('the chart is clean under strict lint', withHelm, async t => {
  t.match(execFileSync(
    toolPath('helm') ?? '', ['lint', '--strict', join(projectRoot, 'charts/ringcast')],
    { encoding: 'utf8' }
  ), /0 chart\(s\) failed/)
})

t.test('the CRDs of the chart are those of the operator, kept on uninstall', withHelm, async t => {
  const isCrd = ({ kind }: { kind: string }) => kind === 'CustomResourceDefinition'
  const rendered = template().filter(isCrd)
  const plain = customResourceDefinitions()
  t.same(rendered.map(({ metadata }) => metadata.name).sort(),
    plain.map(({ metadata }) => (metadata as { name: string }).name).sort())
  for (const { metadata, spec } of rendered) {
    t.equal(metadata.annotations['helm.sh/resource-policy'], 'keep')
    const own = plain.find(({ metadata: { name } }: any) => name === metadata.name)
    t.same(spec, JSON.parse(JSON.stringify(own?.spec)))
  }
  t.same(template('--set', 'crds.enabled=false').filter(isCrd), [])
})

t.test('with scope Namespace not one right reaches beyond it', withHelm, async t => {
  const kinds = template('--set', 'scope=Namespace').map(({ kind }) => kind)
  t.notOk(kinds.some(kind => /^ClusterRole/.test(kind)))
  t.ok(kinds.includes('Role'))
})

t.test('values that make no sense are refused by name', withHelm, async t => {
  t.throws(() => execFileSync(toolPath('helm') ?? '', [
    'template', 'x', join(projectRoot, 'charts/ringcast'), '--set', 'replikas=3'
  ], { stdio: ['ignore', 'pipe', 'pipe'] }), /replikas/)
})

t.test('the examples are sound', async t => {
  for (const path of ['deploy/examples/region.yaml', 'deploy/examples/app.yaml']) {
    for (const object of documentsOf(read(path))) {
      const parsed = object.kind === 'RealtimeApp' ? parseApp(object) : parseRegion(object)
      t.ok(parsed.isValid, parsed.isValid ? path : describeViolations(parsed.violations))
      // A misspelt field would pass unseen: the server drops what it does not know.
      if (object.kind === 'RealtimeApp') {
        for (const field of Object.keys(object.spec)) t.ok(appSpecSchema.fields[field], field)
      }
    }
  }
})
