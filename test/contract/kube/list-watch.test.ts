import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { refuse } from '../../support/api-double.ts'
import { settle, until } from '../../unit/kube/fake-timers.ts'
import { pod, setup } from './list-watch-setup.ts'

t.test('first the whole list in pages, then what changes', async t => {
  const { double, listWatch, told, watching } = await setup(t, { pageLimit: 2 })
  for (const name of ['a', 'b', 'c']) double.put('pods', pod(name))
  double.put('pods', { ...pod('x'), metadata: { namespace: 'other', name: 'x' } })
  t.equal(listWatch.hasSynced(), false)
  listWatch.start()
  listWatch.start()
  await listWatch.synced
  t.same(told, ['ADDED a', 'ADDED b', 'ADDED c'])
  t.equal(double.count('list'), 2)
  await watching()
  const query = double.last('watch').query
  t.equal(query.get('allowWatchBookmarks'), 'true')
  t.equal(query.get('timeoutSeconds'), '240')
  t.equal(query.get('resourceVersion'), double.version)
  double.put('pods', pod('d'))
  double.put('pods', pod('a', { spec: { nodeName: 'n1' } }))
  double.delete('pods', 'b', 'ns')
  await until(() => told.length === 6)
  t.same(told.slice(3), ['ADDED d', 'MODIFIED a', 'DELETED b'])
  t.same(listWatch.list().map(({ metadata }) => metadata.name), ['a', 'c', 'd'])
  t.match(listWatch.get({ namespace: 'ns', name: 'a' }), { spec: { nodeName: 'n1' } })
  t.equal(double.count('watch'), 1)
})

t.test('selectors go with the list and the watch', async t => {
  const { double, listWatch, told, watching } = await setup(t, {
    labelSelector: 'app=web', fieldSelector: 'metadata.name=a'
  })
  listWatch.start()
  await watching()
  for (const verb of ['list', 'watch']) {
    t.equal(double.last(verb).query.get('labelSelector'), 'app=web')
    t.equal(double.last(verb).query.get('fieldSelector'), 'metadata.name=a')
  }
  for (const name of ['b', 'a']) {
    double.put('pods', { metadata: { namespace: 'ns', name, labels: { app: 'web' } } })
  }
  await until(() => told.length === 1)
  t.same(told, ['ADDED a'])
})

t.test('a watch that ends, or is cut, goes on where it was: nothing lost or repeated', async t => {
  const { double, listWatch, told, restarts, problems, watching, after } = await setup(t)
  double.put('pods', pod('a'))
  listWatch.start()
  await watching()
  double.put('pods', pod('b'))
  await until(() => told.length === 2)
  double.endWatches()
  double.put('pods', pod('c'))
  await watching(2)
  await until(() => told.length === 3)
  double.cutWatches()
  double.put('pods', pod('d'))
  double.delete('pods', 'a', 'ns')
  await after(200)
  await watching(3)
  await until(() => told.length === 5)
  t.same(told, ['ADDED a', 'ADDED b', 'ADDED c', 'ADDED d', 'DELETED a'])
  t.same(restarts, ['ended', 'network'])
  t.match(problems, [{ during: 'watch', error: { reason: 'Unreachable', message: /cut/ } }])
  t.equal(double.count('list'), 1)
})

t.test('bookmarks move the version on, so that a quiet watch survives a compaction', async t => {
  const { double, listWatch, watching } = await setup(t)
  listWatch.start()
  await watching()
  double.compact()
  double.bookmark()
  await until(() => listWatch.describe().includes(double.version))
  double.endWatches()
  await watching(2)
  t.equal(double.last('watch').query.get('resourceVersion'), double.version)
  t.equal(double.count('list'), 1, 'no relist')
})

t.test('410, as an answer or inside the stream: a new list, and the difference is told',
  async t => {
    const { double, timers, listWatch, told, restarts, watching, listCount } = await setup(t)
    for (const name of ['a', 'b', 'c']) double.put('pods', pod(name))
    listWatch.start()
    await watching()
    double.isMute = true
    double.delete('pods', 'a', 'ns')
    double.put('pods', pod('b', { spec: { nodeName: 'n1' } }))
    double.put('pods', pod('d'))
    double.compact()
    double.isMute = false
    double.failWatches(410, 'Expired')
    await watching(2)
    t.same(told.slice(3), ['DELETED a', 'MODIFIED b', 'ADDED d'])
    await timers.advance(1000)
    double.compact()
    double.endWatches()
    double.put('pods', pod('e'))
    await watching(3)
    t.same(told.slice(6), ['ADDED e'])
    t.equal(listCount(), 3)
    t.same(restarts, ['gone', 'ended', 'gone'])
  })

t.test('a pod made anew under its name while nobody watched: one ends, another begins',
  async t => {
    const { double, listWatch, told, watching } = await setup(t)
    double.put('pods', pod('a'))
    listWatch.start()
    await watching()
    double.isMute = true
    double.delete('pods', 'a', 'ns')
    double.put('pods', pod('a'))
    double.compact()
    double.failWatches(410, 'Expired')
    await watching(2)
    t.same(told, ['ADDED a', 'DELETED a', 'ADDED a'])
  })

t.test('a half-open connection is given up after 90 s of silence, and nothing is lost',
  async t => {
    const { double, timers, listWatch, told, restarts, problems, watching } = await setup(t)
    listWatch.start()
    await watching()
    await timers.advance(60_000)
    double.bookmark()
    await until(() => listWatch.lastActivityAtMs() === 60_000)
    double.isMute = true
    double.put('pods', pod('a'))
    await timers.advance(89_999)
    t.equal(double.count('watch'), 1, 'the bookmark was a sign of life')
    await timers.advance(1)
    double.isMute = false
    await watching(2)
    await until(() => told.length === 1)
    t.same(restarts, ['inactive'])
    t.same(problems, [])
    t.equal(double.count('list'), 1)
  })

t.test('429 and 503: not before Retry-After, by watch and by list', async t => {
  const { double, timers, listWatch, restarts, watching } = await setup(t)
  double.next('list', response => refuse(response, 503, 'Busy', { 'retry-after': '4' }))
  listWatch.start()
  await until(() => timers.delays().includes(4000))
  double.next('watch', response => refuse(response, 429, 'Busy', { 'retry-after': '9' }))
  await timers.advance(4000)
  await until(() => timers.delays().includes(9000))
  await timers.advance(8999)
  t.equal(double.count('watch'), 1)
  await timers.advance(1)
  await watching(2)
  t.same(restarts, ['throttled', 'throttled'])
  t.equal(double.count('list'), 2)
})

t.test('with the server away, the waits double to 30 s; with it back, all is as before',
  async t => {
    const { double, timers, listWatch, told, problems, watching, after } = await setup(t)
    double.put('pods', pod('a'))
    listWatch.start()
    await watching()
    for (let index = 0; index < 10; index++) {
      double.next('watch', response => { response.destroy() })
    }
    double.put('pods', pod('b'))
    await until(() => told.length === 2)
    double.cutWatches()
    const waits = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]
    for (const waitMs of waits) await after(waitMs)
    await after(30_000)
    await watching(12)
    t.equal(problems.length, 11)
    double.put('pods', pod('c'))
    await until(() => told.length === 3)
    double.cutWatches()
    await until(() => timers.delays().includes(200))
    t.same(told, ['ADDED a', 'ADDED b', 'ADDED c'])
  })

t.test('a server that opens watches only to end them is not hammered', async t => {
  const { double, timers, listWatch, watching, after } = await setup(t)
  listWatch.start()
  await watching()
  for (const [index, waitMs] of [200, 400, 800].entries()) {
    double.endWatches()
    await after(waitMs)
    await watching(index + 2)
  }
  await timers.advance(1000)
  double.endWatches()
  await watching(5)
  t.pass('one that has lasted is opened again without waiting')
})

t.test('a rotated token is read again without a restart of anything', async t => {
  const { double, listWatch, told, problems, tokenPath, watching } = await setup(t)
  double.token = 'first'
  listWatch.start()
  await watching()
  await writeFile(tokenPath, 'second')
  double.token = 'second'
  double.put('pods', pod('a'))
  await until(() => told.length === 1)
  double.endWatches()
  await until(() => double.count('watch') === 3)
  await watching(3)
  t.equal(double.last('watch').headers.authorization, 'Bearer second')
  t.same(problems, [])
})

t.test('a token that stays refused is tried again with backoff', async t => {
  const { double, listWatch, restarts, problems, watching, after, tokenPath } = await setup(t)
  double.token = 'second'
  listWatch.start()
  await after(200)
  await writeFile(tokenPath, 'second')
  await after(400)
  await watching()
  t.same(restarts, ['unauthorized', 'unauthorized'])
  t.match(problems, [{ during: 'list', error: { status: 401 } }, { during: 'list' }])
})

t.test('a list slower than the bound is given up and tried again', async t => {
  const { double, timers, listWatch, restarts, watching, after } = await setup(t)
  double.next('list', () => {})
  listWatch.start()
  await until(() => double.count('list') === 1)
  await timers.advance(29_000)
  await after(200)
  await watching()
  t.same(restarts, ['network'])
})

t.test('pages that outlive the history are listed from the beginning', async t => {
  const { double, listWatch, told, watching } = await setup(t, { pageLimit: 2 })
  for (const name of ['a', 'b', 'c']) double.put('pods', pod(name))
  let pageCount = 0
  const onPage = () => {
    if (++pageCount === 2) double.compact()
    return 'continue' as const
  }
  double.next('list', onPage)
  double.next('list', onPage)
  listWatch.start()
  await watching()
  t.equal(double.count('list'), 4)
  t.same(told, ['ADDED a', 'ADDED b', 'ADDED c'])
})

t.test('a whole list every ten minutes finds what a faulty watch has not told', async t => {
  const { double, timers, listWatch, told, restarts, watching } = await setup(t)
  double.put('pods', pod('a'))
  listWatch.start()
  await watching()
  double.isMute = true
  double.delete('pods', 'a', 'ns')
  double.isMute = false
  for (let minute = 0; minute < 9; minute++) {
    await timers.advance(60_000)
    double.bookmark()
    await until(() => listWatch.lastActivityAtMs() === timers.monotonicMs())
  }
  t.same(told, ['ADDED a'])
  await timers.advance(60_000)
  await until(() => told.length === 2)
  await watching(2)
  t.same(told, ['ADDED a', 'DELETED a'])
  t.same(restarts, ['relist'])
})

t.test('a list that is asked for begins afterwards, though one is under way', async t => {
  const { double, listWatch, told, restarts, watching } = await setup(t)
  const gate = Promise.withResolvers<void>()
  double.next('list', async () => {
    await gate.promise
    return 'continue' as const
  })
  listWatch.start()
  await until(() => double.count('list') === 1)
  const asked = listWatch.relist().then(() => double.count('list'))
  gate.resolve()
  t.equal(await asked, 2)
  await watching()
  double.isMute = true
  double.put('pods', pod('a'))
  double.isMute = false
  await listWatch.relist()
  t.same(told, ['ADDED a'], 'it has what the watch has not told')
  await watching(2)
  t.same(restarts, ['relist', 'relist'])
})

t.test('a list that is asked for comes though the server is away at first', async t => {
  const { double, listWatch, watching, after } = await setup(t)
  listWatch.start()
  await watching()
  double.next('list', response => { response.destroy() })
  let isSettled = false
  void listWatch.relist().then(() => { isSettled = true })
  await until(() => double.count('list') === 2)
  await settle()
  t.equal(isSettled, false)
  await after(200)
  await until(() => isSettled)
  t.equal(double.count('list'), 3)
})

t.test('a handler that throws is recorded and harms nothing', async t => {
  const seen: Array<string | undefined> = []
  const { double, listWatch, problems, watching } = await setup(t, {
    onChange: ({ object }) => {
      seen.push(object.metadata.name)
      if (object.metadata.name === 'a') throw new Error('a is not to my taste')
    }
  })
  double.put('pods', pod('a'))
  double.put('pods', pod('b'))
  listWatch.start()
  await watching()
  double.put('pods', pod('c'))
  await until(() => seen.length === 3)
  t.match(problems, [{ during: 'handler', error: { message: /taste/ } }])
  t.equal(listWatch.list().length, 3)
})

t.test('after stop nothing is called, wherever it was; a new start tells the difference',
  async t => {
    const { double, timers, listWatch, told, problems, watching } = await setup(t)
    double.put('pods', pod('a'))
    double.put('pods', pod('b'))
    listWatch.start()
    await watching()
    listWatch.stop()
    await until(() => double.watchCount() === 0)
    double.delete('pods', 'a', 'ns')
    double.put('pods', pod('c'))
    await timers.advance(3_600_000)
    t.same(told, ['ADDED a', 'ADDED b'])
    t.same(timers.delays(), [])
    t.equal(listWatch.list().length, 2, 'what was known last is still there')
    listWatch.start()
    await watching(2)
    t.same(told.slice(2), ['DELETED a', 'ADDED c'])
    // In the middle of a list: the answer comes, and finds nobody.
    listWatch.stop()
    const gate = Promise.withResolvers<void>()
    double.next('list', async () => {
      await gate.promise
      return 'continue' as const
    })
    listWatch.start()
    await until(() => double.count('list') === 3)
    listWatch.stop()
    gate.resolve()
    await settle()
    t.same(problems, [])
    t.same(timers.delays(), [])
  })

t.test('a handler may stop the list-watch in the middle of a list', async t => {
  const { double, timers, listWatch, told } = await setup(t, {
    onChange: ({ object }) => {
      told.push(`${object.metadata.name}`)
      listWatch.stop()
    }
  })
  for (const name of ['a', 'b']) double.put('pods', pod(name))
  listWatch.start()
  await until(() => told.length > 0)
  await settle()
  t.same(told, ['a'])
  t.equal(double.count('watch'), 0)
  t.same(timers.delays(), [])
})

t.test('lists, watches and their restarts share few connections', async t => {
  const { double, listWatch, watching } = await setup(t)
  listWatch.start()
  await watching()
  for (let index = 2; index < 8; index++) {
    double.put('pods', pod(`p${index}`))
    await until(() => listWatch.list().length === index - 1)
    double.endWatches()
    await watching(index)
  }
  t.equal(double.connectionCount, 1)
})
