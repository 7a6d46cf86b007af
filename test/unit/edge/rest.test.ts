import fastify from 'fastify'
import t from 'tap'
import { useRestConventions } from '../../../src/edge/rest.ts'
import { REGIONS_MISSING } from '../../../src/node/regions-missing.ts'

t.test('[W2] pages of other origins may read which regions are missing', async (t) => {
  const server = fastify()
  useRestConventions(server, () => undefined)
  server.get('/part', async (_request, reply) => reply.header(REGIONS_MISSING, 'eu').send('[]'))
  server.get('/whole', async (_request, reply) => reply.send('[]'))
  const exposed = async (url: string): Promise<string> => {
    const { headers } = await server.inject({ url, headers: { origin: 'https://page.example' } })
    return String(headers['access-control-expose-headers'])
  }
  const whole = await exposed('/whole')
  t.match(whole, /^Link, /)
  t.notMatch(whole, REGIONS_MISSING)
  t.equal(await exposed('/part'), `${whole}, ${REGIONS_MISSING}`)
  await server.close()
})
