/**
 * `make cluster` and `make cluster-down`: a real cluster with Ringcast on it.
 *
 *   node test/cluster/main.ts up [--nodes 1] | down | packages
 *
 * `packages` installs the Debian packages that are missing; INSTALL=1 does so before `up`.
 * With USE_EXISTING_CLUSTER=1 the cluster of KUBECONFIG is used instead of one of our own.
 */

import { parseArgs } from 'node:util'
import { Cluster } from './cluster.ts'
import { apiKey, applyExample, installChart } from './install.ts'
import { installPackages } from './prerequisites.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string', default: process.env.K8S_NODES ?? '1' },
    name: { type: 'string', default: 'ringcast' }
  }
})

const report = (line: string): void => console.log(line)

try {
  if (positionals[0] === 'up') await up()
  else if (positionals[0] === 'down') await Cluster.remove(values.name)
  else if (positionals[0] === 'packages') await installPackages()
  else throw new Error('say up, down or packages')
} catch (error) {
  console.error(`cluster: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}

async function up(): Promise<void> {
  if (process.env.INSTALL === '1') await installPackages()
  const isExisting = process.env.USE_EXISTING_CLUSTER === '1'
  const cluster = isExisting ? undefined
    : await Cluster.start({ nodes: Number(values.nodes), name: values.name, report })
  const kubeconfig = cluster?.kubeconfigPath ?? process.env.KUBECONFIG
  if (kubeconfig === undefined) throw new Error('USE_EXISTING_CLUSTER needs KUBECONFIG')
  report('installing the chart …')
  await installChart(kubeconfig, isExisting)
  report('applying deploy/examples/region.yaml …')
  await applyExample(kubeconfig)
  const key = await apiKey(kubeconfig)
  console.log(`\nRingcast is ready.\n\n  export KUBECONFIG=${kubeconfig}`)
  console.log(`  API key  ${key}`)
  if (cluster === undefined) {
    console.log('  kubectl port-forward service/main 8080:80')
  } else {
    const target = await cluster.serviceTarget('default', 'main', 80)
    const port = await cluster.keepForward('main', target)
    console.log(`  URL      http://127.0.0.1:${port}`)
    console.log(`\n  node src/main.ts check --url http://127.0.0.1:${port} --key ${key}\n`)
  }
}
