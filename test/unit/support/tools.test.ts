import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { missingTools, pinnedToolPath, toolPath, toolSearchOf } from '../../support/tools.ts'

const pin = join(import.meta.dirname, '..', '..', '..', 'tools', 'etcd', 'go.mod')
const checksum = createHash('sha256').update(readFileSync(pin)).digest('hex').slice(0, 12)

function putTool (folder: string, name: string): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, 0o755)
  return path
}

t.test('a tool is found in KUBEBUILDER_ASSETS, then in the cache, then in the PATH', async t => {
  const root = t.testdir()
  const search = toolSearchOf({
    KUBEBUILDER_ASSETS: join(root, 'assets'),
    XDG_CACHE_HOME: join(root, 'cache'),
    PATH: `${join(root, 'empty')}:${join(root, 'path')}`
  })
  t.equal(toolPath('etcd', search), undefined)
  const onPath = putTool(join(root, 'path'), 'etcd')
  t.equal(toolPath('etcd', search), onPath)
  const built = putTool(join(root, 'cache', 'ringcast', 'tools', `etcd-${checksum}`), 'etcd')
  t.equal(toolPath('etcd', search), built)
  const asset = putTool(join(root, 'assets'), 'etcd')
  t.equal(toolPath('etcd', search), asset)
  t.equal(pinnedToolPath('etcd', search), built, 'the cluster takes the pinned version')
})

t.test('a binary built from other pins, a folder and a plain file are not tools', async t => {
  const root = t.testdir({ path: { etcd: 'not executable', kubelet: {} } })
  putTool(join(root, 'cache', 'ringcast', 'tools', 'etcd-000000000000'), 'etcd')
  const search = toolSearchOf({ XDG_CACHE_HOME: join(root, 'cache'), PATH: join(root, 'path') })
  t.equal(toolPath('etcd', search), undefined)
  t.equal(toolPath('kubelet', search), undefined)
})

t.test('the cache is under the home folder when XDG_CACHE_HOME is not set', async t => {
  const search = toolSearchOf({ HOME: '/home/someone' })
  t.equal(search.cacheFolder, '/home/someone/.cache/ringcast/tools')
})

t.test('the reason to skip names what is missing and what to run', async t => {
  const reason = missingTools('no-such-server', 'node')
  t.match(reason, 'no-such-server not found on this machine: run `make tools`')
  t.equal(missingTools('node'), false)
})
