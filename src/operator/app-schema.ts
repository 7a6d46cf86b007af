/*
What people write in a RealtimeApp: who may use the region, and how its channels behave.
*/

import { conditionsSchema } from './condition-schema.ts'
import { flag, integer, list, map, record, text } from './schema.ts'
import type { RecordSchema, Rule } from './schema.ts'

/** The operations a key may allow. */
export const capabilityOperations = [
  '*', 'subscribe', 'publish', 'presence', 'history', 'stats', 'channel-metadata',
  'push-subscribe', 'push-admin', 'object-subscribe', 'object-publish', 'annotation-subscribe',
  'annotation-publish', 'message-update-own', 'message-update-any', 'message-delete-own',
  'message-delete-any', 'privileged-headers'
] as const

const immutable = (name: string, why: string): Rule => ({
  cel: `has(self.${name}) == has(oldSelf.${name}) && ` +
    `(!has(self.${name}) || self.${name} == oldSelf.${name})`,
  message: `${name} is immutable: ${why}`
})

const keySchema = record('One API key.', {
  name: text('Its name, and the entry of the Secret that holds it.',
    { pattern: '^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$', minLength: 1, maxLength: 63 }),
  capability: map('What the key may do: channel patterns, each with its operations.', list(
    'Operations allowed on these channels.',
    text('One operation, or * for all.', { choices: capabilityOperations }),
    {
      minItems: 1,
      maxItems: 20,
      rules: [{
        cel: "size(self) == 1 || !self.exists(o, o == '*')",
        message: '* stands alone: it already allows every operation',
        holds: (self: string[]) => self.length === 1 || !self.includes('*')
      }]
    }
  ), {
    minProperties: 1,
    maxProperties: 200,
    default: { '*': ['*'] },
    rules: [{
      cel: "self.all(r, r != '' && (!r.startsWith('[') || r.matches('^[[][^]]+].')))",
      message: 'a resource is a pattern of channel names, such as chat:*, or has a qualifier ' +
        'before it, such as [meta]*',
      holds: (self: Record<string, unknown>) => Object.keys(self).every(resource =>
        resource !== '' && (!resource.startsWith('[') || /^\[[^\]]+\]./.test(resource)))
    }]
  }),
  revocableTokens: flag('Whether tokens made with this key can be revoked.', { default: false })
}, { required: ['name'] })

interface Batching {
  batchingEnabled?: boolean
  batchingInterval?: number
  batchingPolicy?: string
}

const unitSeconds = { s: 1, m: 60, h: 3_600, d: 86_400 }

function isBetween (duration: string, least: number, most: number): boolean {
  const unit = duration.slice(-1) as keyof typeof unitSeconds
  const seconds = Number(duration.slice(0, -1)) * unitSeconds[unit]
  return seconds >= least && seconds <= most
}

/** The same in CEL, unit by unit: the count is all that is before the unit. */
function retentionCel (least: number, most: number): string {
  return Object.entries(unitSeconds).map(([unit, seconds]) =>
    `(self.endsWith('${unit}') && int(self.substring(0, size(self) - 1)) >= ` +
    `${Math.ceil(least / seconds)} && int(self.substring(0, size(self) - 1)) <= ` +
    `${Math.floor(most / seconds)})`).join(' || ')
}

const namespaceSchema = record('Rules for the channels of one namespace (the part of the name ' +
  'before the first colon).', {
  id: text('The namespace.', { pattern: '^[^:\\[\\]*,]+$', minLength: 1, maxLength: 256 }),
  persisted: flag('Whether messages are kept in history.', { default: false }),
  retention: text('How long persisted messages are kept: a count of s, m, h or d, from 2m to ' +
    '365d, such as 72h, which holds when absent.', {
    pattern: '^[1-9][0-9]{0,8}[smhd]$',
    maxLength: 10,
    rules: [{
      cel: retentionCel(120, 365 * 86_400),
      message: 'retention is 2m to 365d',
      holds: (self: string) => isBetween(self, 120, 365 * 86_400)
    }]
  }),
  persistLast: flag('Whether the last message of a channel is kept for a year, for clients that ' +
    'rewind.', { default: false }),
  identified: flag('Whether only clients with a clientId may use it.', { default: false }),
  tlsOnly: flag('Whether only clients on TLS may use it.', { default: false }),
  pushEnabled: flag('Whether messages may carry push notifications.', { default: false }),
  mutableMessages: flag('Whether messages may be updated, deleted and annotated.',
    { default: false }),
  exposeTimeserial: flag('Whether messages show their time serial. Kept for clients and tools; ' +
    'nothing follows from it in this version.', { default: false }),
  acknowledge: text('When a publish is acknowledged: once the region holds it (region; when ' +
    'absent), or once another region of the world does, too (global).',
    { choices: ['region', 'global'] }),
  batchingEnabled: flag('Whether messages are put together before they are delivered: fewer and ' +
    'larger frames, which come later by up to batchingInterval.', { default: false }),
  batchingInterval: integer('Milliseconds over which messages are put together; 100 when absent.',
    { minimum: 20, maximum: 60_000 }),
  batchingPolicy: text('Whether all of them are delivered (simple; when absent), or of each name ' +
    'the last one (conflating). History has all of them.', { choices: ['simple', 'conflating'] })
}, {
  required: ['id'],
  rules: [{
    cel: '!has(self.retention) || (has(self.persisted) && self.persisted)',
    message: 'retention needs persisted',
    holds: (self: { retention?: string, persisted?: boolean }) =>
      self.retention === undefined || self.persisted === true
  }, {
    cel: '!(has(self.batchingInterval) || has(self.batchingPolicy)) || ' +
      '(has(self.batchingEnabled) && self.batchingEnabled)',
    message: 'batchingInterval and batchingPolicy need batchingEnabled',
    holds: (self: Batching) => self.batchingEnabled === true ||
      (self.batchingInterval === undefined && self.batchingPolicy === undefined)
  }]
})

export const appSpecSchema: RecordSchema = record('What the app is.', {
  regionRef: record('The region that serves it.', {
    name: text('Name of a RealtimeRegion of the same namespace.', { minLength: 1, maxLength: 40 })
  }, {
    required: ['name'],
    rules: [{
      cel: 'self.name == oldSelf.name',
      message: 'regionRef is immutable: make a new RealtimeApp in the other region'
    }]
  }),
  appId: text('Identifier of the app, the first part of its keys. Immutable; derived from ' +
    'namespace and name when absent.', { pattern: '^[A-Za-z0-9]{6}$' }),
  keys: list('The API keys. A key removed here is refused from then on.', keySchema, {
    keys: ['name'], minItems: 1, maxItems: 100, default: [{ name: 'default' }]
  }),
  keysSecretName: text('Secret with the keys, one entry per key name; <name>-keys when absent. ' +
    'The operator makes it; one that exists already is read and never written. Immutable.',
  { minLength: 1, maxLength: 253, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' }),
  tlsOnly: flag('Whether clients are let in on TLS alone, which a proxy before the region ends.',
    { default: false }),
  namespaces: list('Rules for groups of channels.', namespaceSchema, {
    keys: ['id'], maxItems: 200
  }),
  limits: record('Bounds for this app; those of the node when absent.', {
    connectionCountMax: integer('Connections open at once, per node.',
      { minimum: 1, maximum: 10_000_000 }),
    channelCountMax: integer('Channels attached per connection.', { minimum: 1, maximum: 100_000 }),
    messageBytesMax: integer('Bytes of one message. Frames and the log bound it above.',
      { minimum: 1024, maximum: 262_144 }),
    publishRateMax: integer('Messages per second and connection.',
      { minimum: 1, maximum: 1_000_000 }),
    channelPublishRateMax: integer('Messages per second and channel.',
      { minimum: 1, maximum: 1_000_000 }),
    presenceMemberCountMax: integer('Presence members per channel.',
      { minimum: 1, maximum: 100_000 })
  })
}, {
  required: ['regionRef'],
  rules: [
    immutable('appId', 'it is part of every key'),
    immutable('keysSecretName', 'clients hold the keys of the Secret it names')
  ]
})

export const appStatusSchema: RecordSchema = record('What became of the app.', {
  observedGeneration: integer('Generation of the spec that this status speaks of.',
    { format: 'int64' }),
  conditions: conditionsSchema(),
  appId: text('Identifier of the app.'),
  keysSecretName: text('Secret that holds the keys.'),
  keyCount: integer('How many keys are served.')
})
