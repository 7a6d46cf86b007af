import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { KubeClient } from '../../../src/kube/client.ts'
import { tokenFileCredentials } from '../../../src/kube/credentials.ts'
import { ListWatch, type ListWatchOptions, type Problem } from '../../../src/kube/list-watch.ts'
import type { KubeObject } from '../../../src/kube/resource.ts'
import { ApiDouble } from '../../support/api-double.ts'
import { FakeTimers, until } from '../../unit/kube/fake-timers.ts'

const pods = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true }

export function pod (name: string, more: object = {}) {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'ns', name }, ...more }
}

/** A list-watch of pods against a double, in a time of its own. */
export async function setup (t: Test, options: Partial<ListWatchOptions<KubeObject>> = {}) {
  const double = await ApiDouble.start()
  const folder = await mkdtemp(join(tmpdir(), 'ringcast-kube-'))
  const tokenPath = join(folder, 'token')
  await writeFile(tokenPath, 'first')
  const timers = new FakeTimers()
  const client = new KubeClient({
    credentials: tokenFileCredentials(double.url, tokenPath, timers),
    userAgent: 'test',
    // Told apart from every wait of the list-watch by its length.
    timeoutMs: 29_000,
    timers
  })
  const told: string[] = []
  const problems: Problem[] = []
  const restarts: string[] = []
  let listCount = 0
  const listWatch = new ListWatch({
    client,
    resource: pods,
    namespace: 'ns',
    onChange: ({ type, object }) => { told.push(`${type} ${object.metadata.name}`) },
    onProblem: problem => { problems.push(problem) },
    metrics: {
      onRestart: reason => { restarts.push(reason) },
      onRelist: () => { listCount++ }
    },
    timers,
    random: () => 0,
    ...options
  })
  t.teardown(async () => {
    listWatch.stop()
    client.close()
    await double.stop()
    await rm(folder, { recursive: true })
  })
  const watching = async (openedCount = 1) => {
    await until(() => double.count('watch') >= openedCount && double.watchCount() === 1)
    // The double has answered; the client takes note in its own time.
    await until(() => / watching,/.test(listWatch.describe()))
  }
  /** Waits until a timer of this delay is set, then lets it fire. */
  const after = async (delayMs: number) => {
    await until(() => timers.delays().includes(delayMs))
    await timers.advance(delayMs)
  }
  return {
    double, client, timers, tokenPath, listWatch, told, problems, restarts, watching, after,
    listCount: () => listCount
  }
}
