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
  ), { minProperties: 1, maxProperties: 200, default: { '*': ['*'] } }),
  revocableTokens: flag('Whether tokens made with this key can be revoked.', { default: false })
}, { required: ['name'] })

const namespaceSchema = record('Rules for the channels of one namespace (the part of the name ' +
  'before the first colon).', {
  id: text('The namespace.', { pattern: '^[^:\\[\\]*,]+$', minLength: 1, maxLength: 256 }),
  persisted: flag('Whether messages are kept in history.', { default: false }),
  persistLast: flag('Whether the last message is kept for a year.', { default: false }),
  identified: flag('Whether only clients with a clientId may use it.', { default: false }),
  tlsOnly: flag('Whether only clients on TLS may use it.', { default: false }),
  pushEnabled: flag('Whether messages may carry push notifications.', { default: false }),
  mutableMessages: flag('Whether messages may be updated, deleted and annotated.',
    { default: false }),
  exposeTimeserial: flag('Whether messages show their time serial.', { default: false })
}, { required: ['id'] })

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
  namespaces: list('Rules for groups of channels.', namespaceSchema, {
    keys: ['id'], maxItems: 200
  }),
  limits: record('Bounds for this app; those of the node when absent.', {
    connectionCountMax: integer('Connections open at once, per node.', { minimum: 1 }),
    channelCountMax: integer('Channels attached per connection.', { minimum: 1 }),
    messageBytesMax: integer('Bytes of one message.', { minimum: 1024, maximum: 1048576 }),
    publishRateMax: integer('Messages per second and connection.', { minimum: 1 }),
    channelPublishRateMax: integer('Messages per second and channel.', { minimum: 1 }),
    presenceMemberCountMax: integer('Presence members per channel.', { minimum: 1 })
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
