/**
 * Where clients reach a region from anywhere: a host, or host:port. What another region says of
 * itself is given to clients and shown to people, so nothing else passes.
 */

const ENDPOINT = /^([A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?)(?::([1-9][0-9]{0,4}))?$/
/** A name in the DNS, and a port. */
const LENGTH_MAX = 259
const PORT_MAX = 65_535

export interface Endpoint {
  readonly host: string
  /** Undefined: the one that is usual. */
  readonly port: number | undefined
}

/** Undefined for what is no host or host:port. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const parts = text.length <= LENGTH_MAX ? ENDPOINT.exec(text) : null
  if (parts === null) return undefined
  const [, host = '', port] = parts
  if (port === undefined) return { host, port }
  return Number(port) <= PORT_MAX ? { host, port: Number(port) } : undefined
}

/** The text, if it is a host or host:port, else none. */
export function endpointOrNone(text: string): string {
  return parseEndpoint(text) === undefined ? '' : text
}
