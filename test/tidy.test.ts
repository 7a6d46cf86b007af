/**
 * Style is a test: who may import whom, what the core may never do, and how long things may be.
 * The tables here are those of ARCHITECTURE.md.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { isBuiltin, stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import * as acorn from 'acorn'
import t from 'tap'

const ROOT = resolve(import.meta.dirname, '..')
const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70
const LINE_COLUMNS_MAX = 100

const CORE = [
  'base', 'wire', 'peer', 'ring', 'auth', 'log', 'channel', 'session', 'stats', 'region', 'node'
]

/** Room → rooms it may import, besides itself; `*` for wiring. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  peer: ['base', 'wire'],
  ring: ['base', 'peer'],
  auth: ['base', 'wire'],
  log: ['base', 'wire', 'peer'],
  channel: ['base', 'wire', 'peer', 'log'],
  session: ['base', 'wire', 'auth'],
  stats: ['base'],
  region: ['base', 'wire', 'peer', 'ring', 'log'],
  node: CORE,
  bus: ['base', 'peer', 'node'],
  edge: ['base', 'wire', 'auth', 'node'],
  store: ['base', 'log', 'stats', 'node'],
  kube: ['base'],
  operator: ['base', 'kube'],
  globalmaster: ['base', 'kube'],
  ops: [...CORE, 'bus'],
  commands: ['*'],
  'main.ts': ['*']
}

/** Packages by room; Node's own modules are listed for core rooms only. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  base: ['tinyqueue'],
  wire: ['@msgpack/msgpack', '@jmespath-community/jmespath'],
  peer: ['@msgpack/msgpack'],
  ring: [],
  auth: ['node:crypto'],
  log: ['@msgpack/msgpack'],
  channel: ['@msgpack/msgpack'],
  session: [],
  stats: ['@msgpack/msgpack'],
  region: ['@msgpack/msgpack'],
  node: [],
  bus: ['nats'],
  edge: ['fastify', '@fastify/websocket', 'ws'],
  store: ['nats'],
  kube: ['@kubernetes/client-node', 'undici'],
  operator: [],
  ops: ['prom-client', 'pino', 'zod', 'fastify'],
  commands: ['pino', 'prom-client'],
  'main.ts': ['commander']
}

/** What the core must not touch: clocks, chance, timers, promises, the process, the network. */
const BANNED_IN_CORE = new Set([
  'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process', 'fetch', 'Promise',
  'performance', 'crypto'
])
const BANNED_MEMBERS_IN_CORE = new Set(['Date.now', 'Math.random'])

interface Source {
  readonly path: string
  readonly room: string
  readonly text: string
  readonly tree: acorn.Program
}

type Node = acorn.AnyNode & { loc: acorn.SourceLocation }

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

function sourceOf(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const script = stripTypeScriptTypes(text.replace(/^#!.*/, '')).trimEnd()
  const tree = acorn.parse(script, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  return { path, room: path.split('/')[1]!, text, tree }
}

function walk(node: unknown, visit: (node: Node, parent: Node | undefined) => void,
  parent?: Node): void {
  if (Array.isArray(node)) {
    for (const each of node) walk(each, visit, parent)
    return
  }
  if (typeof node !== 'object' || node === null || !('type' in node)) return
  const here = node as Node
  visit(here, parent)
  for (const [key, value] of Object.entries(here)) if (key !== 'loc') walk(value, visit, here)
}

/** Every module specifier, those of types too, which stripping removes. */
function importsOf(source: Pick<Source, 'path' | 'room' | 'text'>): string[] {
  const found = source.text.matchAll(
    /(?:^|\n)(?:import|export)\b[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]|import\(['"]([^'"]+)['"]\)/g
  )
  const bare = source.text.matchAll(/(?:^|\n)import\s+['"]([^'"]+)['"]/g)
  return [...found, ...bare].map((match) => match[1] ?? match[2]!)
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

const sources = filesUnder('src').map(sourceOf)
const tests = filesUnder('test').map((path) => ({
  path,
  text: readFileSync(join(ROOT, path), 'utf8')
}))

t.test('rooms import downwards only, as the table says', async (t) => {
  for (const { path, room, ...source } of sources) {
    const allowed = MAY_IMPORT[room]
    if (allowed === undefined) {
      t.fail(`${path}: no such room in the table`)
      continue
    }
    for (const specifier of importsOf({ path, room, ...source })) {
      if (!specifier.startsWith('.')) continue
      const target = relative(ROOT, resolve(ROOT, dirname(path), specifier)).split('/')[1]!
      const isAllowed = target === room || allowed.includes('*') || allowed.includes(target)
      if (!isAllowed) t.fail(`${path} imports ${target}`)
      if (!specifier.endsWith('.ts')) t.fail(`${path} imports ${specifier} without its ending`)
    }
  }
})

t.test('rooms use the packages of the table only', async (t) => {
  for (const source of sources) {
    const isCore = CORE.includes(source.room)
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith('.')) continue
      const name = packageOf(specifier)
      if (isBuiltin(name) && !isCore) continue
      if (!MAY_USE[source.room]?.includes(name)) t.fail(`${source.path} uses ${name}`)
    }
  }
})

t.test('the core is pure and synchronous', async (t) => {
  for (const { path, room, tree } of sources) {
    if (!CORE.includes(room)) continue
    const declared = new Set<string>()
    walk(tree, (node) => {
      if (node.type === 'ImportSpecifier') declared.add(node.local.name)
    })
    walk(tree, (node, parent) => {
      const at = `${path}:${node.loc.start.line}`
      if ('async' in node && node.async === true) t.fail(`${at}: async`)
      if (node.type === 'AwaitExpression') t.fail(`${at}: await`)
      if (node.type === 'MemberExpression' && node.object.type === 'Identifier') {
        const { property } = node
        const name = property.type === 'Identifier' ? property.name : ''
        if (BANNED_MEMBERS_IN_CORE.has(`${node.object.name}.${name}`)) {
          t.fail(`${at}: ${node.object.name}.${name}`)
        }
      }
      if (node.type === 'Identifier' && BANNED_IN_CORE.has(node.name) && !declared.has(node.name)) {
        const isMember = parent?.type === 'MemberExpression' && parent.property === node
        const isKey = parent?.type === 'Property' || parent?.type === 'PropertyDefinition'
          || parent?.type === 'MethodDefinition'
        if (!isMember && !isKey) t.fail(`${at}: ${node.name}`)
      }
    })
  }
})

t.test('no module holds mutable state, and nobody reads the environment', async (t) => {
  for (const { path, tree, text } of sources) {
    for (const statement of tree.body) {
      const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration
        : statement
      if (declaration?.type === 'VariableDeclaration' && declaration.kind !== 'const') {
        t.fail(`${path}: module-level ${declaration.kind}`)
      }
      if (statement.type === 'ExportDefaultDeclaration') t.fail(`${path}: default export`)
      if (statement.type === 'ExportAllDeclaration') t.fail(`${path}: barrel`)
    }
    if (path !== 'src/ops/config.ts' && text.includes('process.env')) t.fail(`${path}: process.env`)
  }
})

t.test('no empty catch, and no catch that only says nothing', async (t) => {
  for (const { path, tree, text } of sources) {
    walk(tree, (node) => {
      if (node.type !== 'CatchClause' || node.body.body.length > 0) return
      const lines = text.split('\n').slice(node.loc.start.line - 1, node.loc.end.line)
      if (!lines.join('\n').includes('//')) t.fail(`${path}:${node.loc.start.line}: empty catch`)
    })
  }
})

t.test('files, functions and lines keep their limits', async (t) => {
  for (const { path, text } of [...sources, ...tests]) {
    const lines = text.split('\n')
    if (lines.length - 1 > FILE_LINES_MAX) t.fail(`${path}: ${lines.length - 1} lines`)
    for (const [index, line] of lines.entries()) {
      if (line.length > LINE_COLUMNS_MAX) t.fail(`${path}:${index + 1}: ${line.length} columns`)
    }
  }
  for (const { path, tree } of sources) {
    walk(tree, (node) => {
      const isFunction = node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression'
        || node.type === 'ArrowFunctionExpression'
      const length = node.loc.end.line - node.loc.start.line + 1
      if (isFunction && length > FUNCTION_LINES_MAX) {
        t.fail(`${path}:${node.loc.start.line}: a function of ${length} lines`)
      }
    })
  }
})

t.test('every source is used by something', async (t) => {
  const used = new Set<string>()
  const mark = (path: string, specifiers: readonly string[]): void => {
    for (const specifier of specifiers) {
      if (specifier.startsWith('.')) {
        used.add(relative(ROOT, resolve(ROOT, dirname(path), specifier)))
      }
    }
  }
  for (const source of sources) mark(source.path, importsOf(source))
  for (const path of filesUnder('deploy')) {
    mark(path, importsOf({ path, room: 'deploy', text: readFileSync(join(ROOT, path), 'utf8') }))
  }
  const entries = new Set(['src/main.ts', 'src/commands/worker-thread.ts'])
  for (const { path } of sources) {
    if (!used.has(path) && !entries.has(path)) t.fail(`${path} is imported by nobody`)
  }
})

t.test('the core opens each file with an essay', async (t) => {
  for (const { path, room, text } of sources) {
    if (CORE.includes(room) && !/^(\/\*\*?\n|\/\*\*? )/.test(text)) t.fail(`${path}: no essay`)
  }
})

t.test('the limits of this file hold for itself', async (t) => {
  t.ok(statSync(import.meta.filename).isFile())
  t.ok(sources.length > 30)
})
