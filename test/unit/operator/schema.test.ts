import t from 'tap'
import { appSpecSchema, appStatusSchema } from '../../../src/operator/app-schema.ts'
import { customResourceDefinitions } from '../../../src/operator/crd.ts'
import {
  regionRules, regionSpecSchema, regionStatusSchema
} from '../../../src/operator/region-schema.ts'
import { ringSpecSchema, ringStatusSchema } from '../../../src/operator/ring-schema.ts'
import { isRecord } from '../../../src/operator/schema.ts'
import type { Rule, Schema } from '../../../src/operator/schema.ts'
import { describeViolations, parseApp, parseRegion } from '../../../src/operator/spec.ts'
import { ruleCases } from './rule-cases.ts'
import type { RuleCase } from './rule-cases.ts'

function rulesOf (schema: Schema): Rule[] {
  const inner = schema.type === 'record'
    ? Object.values(schema.fields)
    : schema.type === 'list' ? [schema.items] : schema.type === 'map' ? [schema.values] : []
  return [...schema.rules ?? [], ...inner.flatMap(rulesOf)]
}

function parse ({ kind, name = 'eu' }: RuleCase, spec: object) {
  const object = { apiVersion: 'ringcast.dev/v1alpha1', kind, metadata: { name }, spec }
  return kind === 'RealtimeApp' ? parseApp(object) : parseRegion(object)
}

t.test('every rule has a good and a bad object', async t => {
  const schemas = [
    regionSpecSchema, regionStatusSchema, appSpecSchema, appStatusSchema, ringSpecSchema,
    ringStatusSchema
  ]
  for (const rule of [...regionRules, ...schemas.flatMap(rulesOf)]) {
    t.ok(ruleCases.some(({ message }) => rule.message.includes(message)), rule.message)
  }
})

t.test('the operator judges every good object good and every bad one bad, by its path', async t => {
  for (const ruleCase of ruleCases) {
    const { path, message, good, bad } = ruleCase
    if (path === undefined) continue
    if (path !== 'metadata.name') t.ok(parse(ruleCase, good).isValid, `${path}: good`)
    const parsed = parse(ruleCase, bad)
    if (parsed.isValid) {
      t.fail(`${path}: ${message}: the bad object passed`)
      continue
    }
    t.ok(parsed.violations.some(violation => violation.path.startsWith(path)),
      `${path}: blamed in ${describeViolations(parsed.violations)}`)
  }
})

t.test('what is in force may not be changed', async t => {
  const object = {
    apiVersion: 'ringcast.dev/v1alpha1',
    kind: 'RealtimeRegion',
    metadata: { name: 'eu' },
    spec: { partitionCount: 64 }
  }
  t.ok(parseRegion(object, { region: 'eu', partitionCount: 64 }).isValid)
  const parsed = parseRegion(object, { region: 'us', partitionCount: 4096 })
  t.match(parsed, {
    isValid: false, violations: [{ path: 'spec.region' }, { path: 'spec.partitionCount' }]
  })
})

t.test('a spec that says nothing is completed', async t => {
  const parsed = parseRegion({ apiVersion: '', kind: '', metadata: { name: 'eu' } })
  t.match(parsed, {
    isValid: true,
    spec: {
      region: 'eu',
      nodes: 3,
      redundancy: 3,
      partitionCount: 4096,
      workers: 'auto',
      nats: { type: 'Managed', managed: { servers: 3, storage: { type: 'Persistent' } } },
      drain: { timeoutSeconds: 20, terminationGracePeriodSeconds: 60 }
    }
  })
})

t.test('a violation names the path, never the value', async t => {
  const parsed = parseApp({
    apiVersion: '',
    kind: '',
    metadata: { name: 'a' },
    spec: { regionRef: { name: 'eu' }, appId: 'a-secret-put-into-the-wrong-field' }
  })
  t.notOk(parsed.isValid)
  if (!parsed.isValid) t.notMatch(describeViolations(parsed.violations), /a-secret/)
})

t.test('garbage instead of a spec is a violation, not a crash', async t => {
  for (const spec of [1, 'x', [], { nodes: 'three' }, { nats: [] }, { extraEnv: { a: 1 } }]) {
    t.notOk(parseRegion({ apiVersion: '', kind: '', metadata: { name: 'eu' }, spec }).isValid)
    t.notOk(parseApp({ apiVersion: '', kind: '', metadata: { name: 'eu' }, spec }).isValid)
  }
})

t.test('every field of every CRD has a sentence', async t => {
  let count = 0
  const visit = (schema: unknown, path: string): void => {
    if (!isRecord(schema)) return
    count++
    const isPlainMetadata = path.endsWith('.metadata')
    if (!isPlainMetadata) t.match(schema.description, /^[A-Z*].*\.$/s, path)
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      visit(field, `${path}.${name}`)
    }
    visit(schema.items, `${path}[]`)
    visit(schema.additionalProperties, `${path}.*`)
  }
  for (const definition of customResourceDefinitions()) {
    const { versions, names } = definition.spec as {
      names: { kind: string }
      versions: Array<{ schema: { openAPIV3Schema: unknown } }>
    }
    for (const { schema } of versions) visit(schema.openAPIV3Schema, names.kind)
    t.ok(JSON.stringify(definition).length < 200_000,
      'small enough for client-side apply, which keeps a copy in an annotation')
  }
  t.ok(count > 200)
})

t.test('a column of kubectl shows one value: of several it would show the first', async t => {
  interface Column { name: string, jsonPath: string }
  for (const definition of customResourceDefinitions()) {
    const { names, versions } = definition.spec as any
    for (const { name, jsonPath } of versions[0].additionalPrinterColumns as Column[]) {
      const isOfSeveral = jsonPath.includes('[*]') || jsonPath.includes('..')
      t.notOk(isOfSeveral, `${names.kind} ${name}: ${jsonPath}`)
    }
  }
})
