/**
 * Where clients reach the regions of the world, as the options that SDKs take: a client that begins
 * with them knows where to go when its region is gone, or sends it away.
 */

import { parseEndpoint } from '../region/endpoint.ts'
import type { RegionEndpoint } from '../region/terms.ts'
import { errors } from '../wire/errors.ts'
import type { Call } from './call.ts'
import type { RequestPorts } from './request-ports.ts'

/** What is told of all regions. */
export interface Signpost {
  /** The host to begin with; absent where no region says where it is. */
  readonly endpoint?: string
  /** The port of it, and of its fallback hosts, where that is not the usual one. */
  readonly port?: number
  readonly fallbackHosts: readonly string[]
  /** The one that was asked, then the nearest first. */
  readonly regions: readonly {
    readonly region: string
    readonly host?: string
    readonly port?: number
    readonly isDraining: boolean
  }[]
}

/** `GET /.well-known/ringcast/regions`; a region that is in no world has nothing to tell. */
export function tellRegions(call: Call, { endpoints }: RequestPorts): void {
  const known = endpoints()
  if (known === undefined) call.refuse(errors.notFound('GET /.well-known/ringcast/regions').info)
  else call.answer(200, signpostOf(known), { 'cache-control': 'no-cache' })
}

/**
 * The first that keeps its clients is where to begin; if none does, the first. SDKs use one port
 * for all hosts: those with another one are told among the regions alone.
 */
export function signpostOf(endpoints: readonly RegionEndpoint[]): Signpost {
  const regions = endpoints.map(({ region, endpoint, isDraining }) => {
    const { host, port } = parseEndpoint(endpoint) ?? {}
    return {
      region, ...(host !== undefined && { host }), ...(port !== undefined && { port }), isDraining
    }
  })
  const reachable = regions.filter(({ host }) => host !== undefined)
  const staying = reachable.filter(({ isDraining }) => !isDraining)
  const [first, ...others] = staying.length > 0 ? staying : reachable
  if (first === undefined) return { fallbackHosts: [], regions }
  const { host, port } = first
  const fallbackHosts = new Set(others.filter((other) => other.port === port)
    .map((other) => other.host!).filter((other) => other !== host))
  return {
    endpoint: host!, ...(port !== undefined && { port }), fallbackHosts: [...fallbackHosts], regions
  }
}
