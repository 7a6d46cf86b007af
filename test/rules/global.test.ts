import { errorOf, until } from '../support/ably-clients.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const NOBODY = { code: 50003, statusCode: 503 }

/** A key of an app; in a namespace publishes are acknowledged once two regions have them. */
async function keyOf(on: Stage): Promise<string> {
  const namespaces = [{ id: 'everywhere', acknowledge: 'global' }]
  const { keys: [key] } = await on.app({ keys: [{}], namespaces })
  return key!
}

ruleFile('global', (rule) => {
  rule('P12', 'without another region it is heard once, and never acknowledged', async (t, on) => {
    const key = await keyOf(on)
    const name = `everywhere:${on.name('c')}`
    const heard: unknown[] = []
    await on.client(t, 1, {}, key).channels.get(name).subscribe(({ data }) => heard.push(data))
    const channel = on.client(t, 0, {}, key).channels.get(name)
    const publish = async (): Promise<unknown> =>
      errorOf(channel.publish({ id: `own-${name}`, data: 'once' }))
    const request = on.rest(2, { key }).channels.get(name)
    const asked = errorOf(request.publish({ id: `rest-${name}`, data: 'by request' }))
    const first = publish()
    await until('both are heard', () => heard.length === 2)
    t.match(await first, NOBODY)
    t.match(await asked, NOBODY)
    t.match(await publish(), NOBODY, 'said again it is no other publish')
    t.same(heard.toSorted(), ['by request', 'once'])
  })

  rule('P12', 'presence, and other namespaces, are acknowledged as ever', async (t, on) => {
    const client = on.client(t, 0, { clientId: 'anna' }, await keyOf(on))
    await client.channels.get(`everywhere:${on.name('c')}`).presence.enter()
    const { serials } = await client.channels.get(on.name('c')).publish('n', 'x')
    t.equal(serials.length, 1)
  })
})
