/**
 * Configuration from the environment, read and checked in one place. What is wrong is told by the
 * variable's name, all of it at once, and never with a secret's value.
 */

import { z } from 'zod'
import { endpointOrNone } from '../region/endpoint.ts'

const portNumber = z.coerce.number().int().min(0).max(65_535)
const level = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])

const nodeSchema = z.object({
  RINGCAST_REGION: z.string().min(1),
  RINGCAST_NAMESPACE: z.string().min(1),
  /** The region's own id, as clients see it in siteCode; the object's name by default. */
  RINGCAST_REGION_ID: z.string().optional(),
  RINGCAST_RING: z.string().min(1),
  RINGCAST_REDUNDANCY: z.coerce.number().int().min(1).max(5).default(3),
  RINGCAST_POD_NAME: z.string().min(1),
  RINGCAST_POD_UID: z.string().min(1),
  RINGCAST_POD_IP: z.string().min(1),
  RINGCAST_ZONE: z.string().default(''),
  RINGCAST_NATS_URL: z.string().min(1),
  RINGCAST_NATS_USER: z.string().optional(),
  RINGCAST_NATS_PASSWORD: z.string().optional(),
  RINGCAST_NATS_TOKEN: z.string().optional(),
  RINGCAST_NATS_CREDS_FILE: z.string().optional(),
  /** The password, token or credentials text before: connection keys of then are still good. */
  RINGCAST_NATS_FORMER_SECRET: z.string().optional(),
  /**
   * What one copy of the log and of the archive may take in NATS; left to the account's limit when
   * not set.
   */
  RINGCAST_LOG_BYTES: z.coerce.number().int().min(1).optional(),
  RINGCAST_APPS_SECRET: z.string().min(1),
  /** The world that the region is part of; without one it neither speaks nor listens to others. */
  RINGCAST_WORLD: z.string().min(1).max(63).optional(),
  /** Where clients reach the region from anywhere: other regions are told. */
  RINGCAST_ENDPOINT: z.string().default('')
    .refine((text) => endpointOrNone(text) === text, 'is no host or host:port'),
  /** The ConfigMap that says what part it has in the world; none: the usual one. */
  RINGCAST_WORLD_SETTINGS: z.string().min(1).optional(),
  RINGCAST_HOST: z.string().default('0.0.0.0'),
  RINGCAST_PORT: portNumber.default(8080),
  RINGCAST_PRIVATE_PORT: portNumber.default(8081),
  RINGCAST_WORKERS: z
    .union([z.literal('auto'), z.coerce.number().int().min(1).max(256)])
    .default('auto'),
  RINGCAST_LOG_LEVEL: level.default('info'),
  RINGCAST_DRAIN_MS: z.coerce.number().int().min(0).default(20_000)
})

const kubeSchema = z.object({
  KUBECONFIG: z.string().optional(),
  KUBERNETES_SERVICE_HOST: z.string().optional(),
  KUBERNETES_SERVICE_PORT: z.string().optional()
})

/** The globalmaster is of the mesh, and of nothing else in NATS. */
const globalmasterSchema = nodeSchema.pick({
  RINGCAST_REGION: true,
  RINGCAST_NAMESPACE: true,
  RINGCAST_POD_NAME: true,
  RINGCAST_POD_UID: true,
  RINGCAST_NATS_URL: true,
  RINGCAST_NATS_USER: true,
  RINGCAST_NATS_PASSWORD: true,
  RINGCAST_NATS_TOKEN: true,
  RINGCAST_NATS_CREDS_FILE: true,
  RINGCAST_PRIVATE_PORT: true,
  RINGCAST_LOG_LEVEL: true
}).extend({
  /** Its Lease, and the ConfigMap that says what its cluster knows of the world. */
  RINGCAST_GLOBALMASTER: z.string().min(1)
})

const operatorSchema = kubeSchema.extend({
  /** The namespace looked after; every namespace when not set. */
  RINGCAST_WATCH_NAMESPACE: z.string().optional(),
  /** The operator's own namespace, where its Lease is. */
  RINGCAST_NAMESPACE: z.string().default('default'),
  RINGCAST_POD_NAME: z.string().default('operator'),
  RINGCAST_POD_UID: z.string().default('local'),
  RINGCAST_LEADER_ELECTION: z.enum(['true', 'false']).default('true'),
  RINGCAST_NODE_IMAGE: z.string().min(1),
  RINGCAST_NATS_IMAGE: z.string().min(1),
  RINGCAST_OPERATOR_WORKERS: z.coerce.number().int().min(1).max(100).default(4),
  RINGCAST_PRIVATE_PORT: portNumber.default(8081),
  RINGCAST_LOG_LEVEL: level.default('info')
})

/** Variables as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

export type NodeConfig = z.infer<typeof nodeSchema>
export type GlobalmasterConfig = z.infer<typeof globalmasterSchema>
export type NatsConfig = Pick<
  NodeConfig,
  | 'RINGCAST_NATS_URL' | 'RINGCAST_NATS_USER' | 'RINGCAST_NATS_PASSWORD' | 'RINGCAST_NATS_TOKEN'
  | 'RINGCAST_NATS_CREDS_FILE'
>
export type OperatorConfig = z.infer<typeof operatorSchema>
export type KubeConfig = z.infer<typeof kubeSchema>

/** The variables of this process. */
export function processEnvironment(): Environment {
  return process.env
}

/** The configuration of `ringcast node`. Throws an Error that lists every wrong variable. */
export function nodeConfig(environment: Environment): NodeConfig {
  return parsed(nodeSchema, environment)
}

/** The configuration of `ringcast globalmaster`. Throws an Error like `nodeConfig`. */
export function globalmasterConfig(environment: Environment): GlobalmasterConfig {
  return parsed(globalmasterSchema, environment)
}

/** The configuration of `ringcast operator`. Throws an Error like `nodeConfig`. */
export function operatorConfig(environment: Environment): OperatorConfig {
  return parsed(operatorSchema, environment)
}

/** How the Kubernetes API is reached. Throws an Error like `nodeConfig`. */
export function kubeConfig(environment: Environment): KubeConfig {
  return parsed(kubeSchema, environment)
}

function parsed<T>(schema: z.ZodType<T>, environment: Environment): T {
  const set = Object.entries(environment).filter(([, value]) => value !== '')
  const result = schema.safeParse(Object.fromEntries(set))
  if (result.success) return result.data
  const problems = result.error.issues.map(({ path, message }) => {
    const name = path.join('.')
    return environment[name] === undefined ? `${name} is not set` : `${name}: ${message}`
  })
  throw new Error(`wrong configuration: ${problems.join('; ')}`)
}
