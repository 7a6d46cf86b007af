/* What applications are told of where regions are. */

import t from 'tap'
import type { Call } from '../../../src/node/call.ts'
import type { RequestPorts } from '../../../src/node/request-ports.ts'
import { signpostOf, tellRegions } from '../../../src/node/rest-regions.ts'
import type { RegionEndpoint } from '../../../src/region/terms.ts'

function at(region: string, endpoint: string, isDraining = false): RegionEndpoint {
  return { region, endpoint, isDraining }
}

t.test('the region that was asked comes first, the others are its fallbacks', async (t) => {
  const known = [at('eu', 'eu.example'), at('us', 'us.example'), at('ap', 'ap.example')]
  t.same(signpostOf(known), {
    endpoint: 'eu.example',
    fallbackHosts: ['us.example', 'ap.example'],
    regions: [
      { region: 'eu', host: 'eu.example', isDraining: false },
      { region: 'us', host: 'us.example', isDraining: false },
      { region: 'ap', host: 'ap.example', isDraining: false }
    ]
  })
})

t.test('SDKs have one port: fallbacks with another one are told among the regions alone',
  async (t) => {
    const known = [at('eu', 'eu.example:8443'), at('us', 'us.example'), at('ap', 'ap.example:8443')]
    const { endpoint, port, fallbackHosts, regions } = signpostOf(known)
    t.same([endpoint, port, fallbackHosts], ['eu.example', 8443, ['ap.example']])
    t.same(regions[1], { region: 'us', host: 'us.example', isDraining: false })
  })

t.test('nobody is led to a region that drains, unless all do', async (t) => {
  const draining = [at('eu', 'eu.example', true), at('us', 'us.example'), at('ap', 'ap.example')]
  t.match(signpostOf(draining), { endpoint: 'us.example', fallbackHosts: ['ap.example'] })
  const all = [at('eu', 'eu.example', true), at('us', 'us.example', true)]
  t.match(signpostOf(all), { endpoint: 'eu.example', fallbackHosts: ['us.example'] })
})

t.test('a region that says no host, or none that is one, is no host', async (t) => {
  for (const endpoint of [
    '', 'https://eu.example', 'eu.example/x', 'eu example', 'eu.example:0', 'eu.example:65536',
    '-eu', 'eu.', '<script>', 'eu.example:', 'x'.repeat(300)
  ]) {
    const signpost = signpostOf([at('eu', endpoint), at('us', 'us.example')])
    t.match(signpost, { endpoint: 'us.example', fallbackHosts: [] }, endpoint)
    t.same(signpost.regions[0], { region: 'eu', isDraining: false }, endpoint)
  }
  t.same(signpostOf([at('eu', '')]), {
    fallbackHosts: [], regions: [{ region: 'eu', isDraining: false }]
  })
})

t.test('a host is told once', async (t) => {
  const known = [at('eu', 'rt.example'), at('us', 'rt.example'), at('ap', 'ap.example')]
  t.same(signpostOf(known).fallbackHosts, ['ap.example'])
})

t.test('a region that is in no world has nothing to tell', async (t) => {
  const told: unknown[] = []
  const call = {
    refuse: ({ code }: { code: number }) => void told.push(code),
    answer: (status: number) => void told.push(status)
  } as unknown as Call
  tellRegions(call, { endpoints: () => undefined } as unknown as RequestPorts)
  tellRegions(call, { endpoints: () => [at('eu', '')] } as unknown as RequestPorts)
  t.same(told, [40400, 200])
})
