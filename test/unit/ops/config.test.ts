import t from 'tap'
import { nodeConfig } from '../../../src/ops/config.ts'

const least = Object.fromEntries(['REGION', 'NAMESPACE', 'RING', 'POD_NAME', 'POD_UID', 'POD_IP',
  'NATS_URL', 'APPS_SECRET'].map((name) => [`RINGCAST_${name}`, 'x']))

t.test('where clients reach the region is a host or host:port, or is not said', async (t) => {
  t.equal(nodeConfig(least).RINGCAST_ENDPOINT, '')
  for (const endpoint of ['eu.example', 'eu.example:8443', '127.0.0.1:80']) {
    const config = nodeConfig({ ...least, RINGCAST_ENDPOINT: endpoint })
    t.equal(config.RINGCAST_ENDPOINT, endpoint)
  }
  for (const endpoint of ['https://eu.example', 'eu.example/', 'eu example', ':80']) {
    t.throws(() => nodeConfig({ ...least, RINGCAST_ENDPOINT: endpoint }),
      /RINGCAST_ENDPOINT: is no host or host:port/)
  }
})
