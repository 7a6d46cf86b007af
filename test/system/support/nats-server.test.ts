import { connect } from 'nats'
import t from 'tap'
import { startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'

const skip = missingTools('nats-server')

t.test('a nats-server carries a message and is gone after stop', { skip }, async t => {
  const server = await startNatsServer()
  const client = await connect({ servers: server.url })
  const subscription = client.subscribe('greeting', { max: 1 })
  client.publish('greeting', 'hello')
  for await (const message of subscription) t.equal(message.string(), 'hello')
  await client.close()
  await server.stop()
  t.match(server.process.ending(), /^ended/)
  await t.rejects(connect({ servers: server.url, reconnect: false }))
})

t.test('with JetStream it stores a message; two servers live side by side', { skip }, async t => {
  const servers = await Promise.all([
    startNatsServer({ jetstream: true }),
    startNatsServer({ jetstream: true })
  ])
  t.teardown(() => Promise.all(servers.map(server => server.stop())))
  t.not(servers[0].port, servers[1].port)
  for (const server of servers) {
    const client = await connect({ servers: server.url })
    const manager = await client.jetstreamManager()
    await manager.streams.add({ name: 'LOG', subjects: ['log.*'] })
    const ack = await client.jetstream().publish('log.1', 'entry')
    t.equal(ack.seq, 1)
    await client.close()
  }
})

t.test('a configuration that is refused rejects with the words of the server', { skip },
  async t => {
    await t.rejects(startNatsServer({ config: 'authorization { user: 7 ' }), {
      message: /nats-server ended with code 1/
    })
  })
