/**
 * The catalogue: everything that a client can be told to have gone wrong, each with its code,
 * status and scope (ably-protocol 22). An error is a value that is returned, never thrown, and its
 * text names the cause without ever holding a secret: no key, no token, no message data.
 *
 * The scope says what the error ends: one message (NACK), one channel (ERROR with `channel`), the
 * connection (ERROR or DISCONNECTED without it), or one HTTP request. SDKs act on the numbers:
 * 40140–40149 make them renew a token, a status above 500 makes them try another host, and an
 * ERROR with neither meaning is final. So a code is chosen for what the client will do next.
 */

/** An error as it stands on the wire. */
export interface ErrorInfo {
  readonly code: number
  readonly statusCode: number
  readonly message: string
  readonly href?: string
}

/** What an error ends. */
export type ErrorScope = 'message' | 'channel' | 'connection' | 'request'

/** An error with what it ends. */
export interface ProtocolError {
  readonly info: ErrorInfo
  readonly scope: ErrorScope
}

/** What the protocol has and this server has not yet, each refused with the closest code. */
export type Feature =
  | 'annotations' | 'objects' | 'history' | 'mutableMessages' | 'push' | 'recover'

function error(scope: ErrorScope, code: number, statusCode: number, message: string)
  : ProtocolError {
  return { info: errorInfo(code, statusCode, message), scope }
}

/** An ErrorInfo with its help link. */
export function errorInfo(code: number, statusCode: number, message: string): ErrorInfo {
  return { code, statusCode, message, href: `https://help.ably.io/error/${code}` }
}

/** The same error, ending something else: a denied publish is NACKed, a denied attach is not. */
export function inScope(error: ProtocolError, scope: ErrorScope): ProtocolError {
  return { info: error.info, scope }
}

/** True for what makes an SDK ask for another token and come back with it (11.7). */
export function isTokenError({ code }: ErrorInfo): boolean {
  return code >= 40140 && code < 40150
}

/** What is quoted from a client is cut short, so that an error is never a big frame. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}

/** Who someone is, and what they may do: section 4.5, 4.7, 11. */
const credentialErrors = {
  invalidCredentials: (detail = 'Invalid credentials') =>
    error('connection', 40101, 401, detail),
  noCredentials: () =>
    error('connection', 40101, 401, 'No credentials: give a key or an access token'),
  malformedKey: () =>
    error('connection', 40101, 401,
      'Malformed API key: expected the form appId.keyId:secret'),
  unknownApp: (appId: string) =>
    error('connection', 40101, 401, `No application with id ${quoted(appId)}`),
  unknownKey: (keyName?: string) =>
    error('connection', 40101, 401,
      keyName === undefined ? 'No such API key' : `No API key with name ${quoted(keyName)}`),
  keySecretWrong: () =>
    error('connection', 40101, 401, 'Invalid API key: the secret does not match'),
  tokenRequestTimestamp: () =>
    error('request', 40104, 401,
      'The timestamp of the token request is more than two minutes from the time here'),
  nonceReplayed: () =>
    error('request', 40105, 401, 'The nonce of the token request was used before'),
  tokenNotAccepted: (detail = 'Token not accepted') =>
    error('connection', 40140, 401, detail),
  tokenRevoked: () => error('connection', 40141, 401, 'Token revoked'),
  tokenExpired: () => error('connection', 40142, 401, 'Token expired'),
  tokenUnrecognised: () => error('connection', 40143, 401, 'Token unrecognised'),
  invalidJwt: (detail: string) => error('connection', 40144, 401, `Invalid JWT: ${detail}`),
  invalidToken: (detail: string) => error('connection', 40145, 401, `Invalid token: ${detail}`),
  emptyCapability: () =>
    error('request', 40160, 401, 'The key permits nothing of the capability that is asked for'),
  basicAuthRequired: (detail = 'This needs Basic authentication with an API key') =>
    error('request', 40162, 401, detail),
  wrongRevocationKey: () =>
    error('request', 40133, 401, 'Tokens are revoked with the key that they were issued by'),
  revocationNotEnabled: () =>
    error('request', 40163, 401, 'The tokens of this key cannot be revoked: see revocableTokens'),
  incompatibleCredentials: (detail = 'Credentials are not those of this connection') =>
    error('connection', 40102, 401, detail),
  tlsRequired: (detail = 'This application requires TLS') =>
    error('connection', 40311, 403, detail),
  invalidClientId: (detail = 'Invalid clientId') => error('connection', 40012, 400, detail),
  clientIdMismatch: (detail = 'The clientId is not the one of the connection') =>
    error('message', 40012, 400, detail),
  identityRequired: () =>
    error('message', 40161, 401, 'This namespace requires an identified client'),
  capabilityDenied: (operation: string, channel: string) =>
    error('message', 40160, 401,
      `The credentials do not permit ${operation} on channel ${quoted(channel)}`),
  notPermitted: (operation: string) =>
    error('request', 40160, 401, `The credentials do not permit ${operation}`),
  derivedReadOnly: (channel: string) =>
    error('message', 40160, 401, `A derived channel can only be subscribed to: ${quoted(channel)}`),
  metaReadOnly: (channel: string) =>
    error('message', 40160, 401,
      `Channel ${quoted(channel)} can only be listened to: it is a metachannel`),
  modeDenied: (mode: string, channel: string) =>
    error('message', 40165, 401,
      `Channel ${quoted(channel)} is attached without the mode ${mode}`)
} as const

/** What was asked, and how it was put: sections 3, 6, 7, 20. */
const requestErrors = {
  badRequest: (detail: string) => error('request', 40000, 400, detail),
  invalidBody: (detail: string) => error('message', 40001, 400, detail),
  malformedBody: (problem: string) =>
    error('request', 40001, 400, `Malformed body: ${problem}`),
  invalidParam: (name: string, detail = 'invalid value') =>
    error('request', 40003, 400, `Parameter ${quoted(name)}: ${detail}`),
  messageTooLarge: (sizeBytes: number, maxBytes: number) =>
    error('message', 40009, 413,
      `The publish has ${sizeBytes} bytes; at most ${maxBytes} are allowed`),
  answerTooLarge: (maxBytes: number) =>
    error('request', 40009, 413,
      `The answer would have more than ${maxBytes} bytes; ask for less at a time`),
  frameTooLarge: (maxBytes: number) =>
    error('connection', 40009, 413, `The frame is larger than ${maxBytes} bytes`),
  invalidChannelName: (name: string, detail = 'not a channel name') =>
    error('channel', 40010, 400, `Invalid channel name ${quoted(name)}: ${detail}`),
  invalidData: (detail: string) => error('message', 40013, 400, detail),
  invalidMessageName: () =>
    error('message', 40016, 400, 'The name of a message must be a string'),
  unsupportedVersion: (version: string) =>
    error('connection', 40017, 400,
      `Protocol version ${quoted(version)} is not supported; this server speaks 2 to 6`),
  unknownConnectionKey: (detail = 'it is that of no connection of this app') =>
    error('message', 40006, 400, `Invalid connectionKey: ${detail}`),
  forcedNack: () => error('message', 40099, 400, 'Refused, since the publish asks for it'),
  staleCursor: () =>
    error('request', 40011, 400, 'The cursor leads nowhere; begin again with the first page'),
  batchFailed: () =>
    error('request', 40020, 400, 'Not all of the batch succeeded; batchResponse says what did'),
  invalidMessageId: (detail: string) => error('message', 40031, 400, detail),
  invalidExtras: (detail: string) => error('message', 40032, 400, detail),
  tooManyMessages: (count: number, countMax: number) =>
    error('message', 40034, 400,
      `The publish has ${count} messages; at most ${countMax} are allowed`),
  tokenOfNobody: (missing: 'app' | 'key') =>
    error('request', 40400, missing === 'app' ? 404 : 401,
      `Not found: the ${missing} that the token is of`),
  notFound: (what: string) => error('request', 40400, 404, `Not found: ${what}`),
  methodNotAllowed: (method: string) =>
    error('request', 40500, 405, `Method ${quoted(method)} is not allowed here`),
  rateLimited: (detail = 'Connection publish rate exceeded') =>
    error('message', 42911, 429, detail),
  enumerating: () =>
    error('request', 42912, 429, 'The channels of the app are being enumerated; ask again later'),
  tooManyAttaches: () =>
    error('channel', 90021, 429, 'Too many channels were attached in a second; attach later'),
  channelRateExceeded: () =>
    error('message', 42913, 429, 'The channel takes no more messages this second'),
  messagesImmutable: (channel: string) =>
    error('message', 93002, 400,
      `Messages of channel ${quoted(channel)} cannot be changed: that is not supported yet`)
} as const

/** What became of a connection or of its resume: section 4. */
const connectionErrors = {
  disconnectedSlowConsumer: () =>
    error('connection', 80003, 503, 'Disconnected: the client reads too slowly'),
  disconnected: (detail: string) => error('connection', 80003, 503, detail),
  connectionExpired: () =>
    error('connection', 80008, 400, 'Unable to recover the connection: its state has expired'),
  resumeIncompatible: () =>
    error('connection', 80011, 401,
      'Unable to recover the connection: it belongs to other credentials'),
  protocolError: (detail: string) => error('connection', 80013, 400, detail),
  rateExceeded: () =>
    error('connection', 42921, 429, 'Disconnected: the rate of publishes was exceeded for long'),
  tooManyFrames: () =>
    error('connection', 42924, 429, 'Disconnected: too many protocol messages in a second'),
  tooManyConnections: (countMax: number) =>
    error('connection', 40111, 403,
      `This application may have at most ${countMax} connections here at a time`),
  tooEarly: () => error('connection', 80003, 503, 'Sent too much before CONNECTED'),
  idleTimeout: () =>
    error('connection', 80014, 408, 'Nothing was heard from the client in time'),
  connectionReplaced: () =>
    error('connection', 80016, 410, 'The connection was taken over by a newer transport'),
  connectionClosed: () => error('connection', 80017, 400, 'The connection is closed'),
  invalidConnectionKey: () =>
    error('connection', 80018, 400, 'Unable to recover the connection: invalid connection key'),
  connectionNotFound: () => error('connection', 80022, 410, 'No such connection')
} as const

/** What became of a channel: section 7, 8. */
const channelErrors = {
  continuityLost: (detail = 'Unable to recover the channel: messages may have been lost') =>
    error('channel', 90003, 404, detail),
  channelOpTimeout: (operation: string) =>
    error('channel', 90007, 408, `The channel could not ${operation} in time`),
  attachPointUnknown: () =>
    error('request', 90008, 400, 'The point of attachment is not known any more'),
  tooManyChannels: (countMax: number) =>
    error('channel', 90010, 400, `A connection may attach to at most ${countMax} channels`),
  presenceWithoutClientId: () =>
    error('message', 91000, 400, 'Presence needs a clientId'),
  notAttached: (channel: string) =>
    error('message', 91001, 400, `Channel ${quoted(channel)} is not attached`),
  tooManyMembers: (countMax: number) =>
    error('message', 91003, 400, `A channel may have at most ${countMax} presence members`),
  presenceTooLarge: (bytesMax: number) =>
    error('message', 91006, 400,
      `The presence members of a channel may have at most ${bytesMax} bytes together`)
} as const

/** What is our fault or our state; statuses above 500 send the SDK to another host. */
const serverErrors = {
  internal: (detail = 'Internal error') => error('request', 50000, 500, detail),
  timeout: (detail = 'The server did not answer in time; the outcome is unknown') =>
    error('message', 50003, 503, detail),
  capacity: (detail = 'The server is busy') => error('message', 50004, 503, detail),
  overtaken: () =>
    error('message', 50005, 503,
      'It was refused before, and later messages were published meanwhile; publish it anew'),
  unavailable: (detail = 'The service is unavailable at the moment') =>
    error('connection', 50005, 503, detail),
  notSupported: (what: Feature): ProtocolError => {
    const [scope, code, statusCode] = UNSUPPORTED[what]
    return error(scope, code, statusCode, `This server does not support ${what} yet`)
  }
} as const

/**
 * Channel features fail the channel or the message alone, so that the rest of an application goes
 * on.
 */
const UNSUPPORTED: Readonly<Record<Feature, readonly [ErrorScope, number, number]>> = {
  annotations: ['message', 40021, 400],
  objects: ['message', 40021, 400],
  mutableMessages: ['message', 93002, 400],
  history: ['request', 90002, 404],
  push: ['request', 40021, 400],
  recover: ['connection', 80018, 400]
}

/** The whole catalogue. */
export const errors = {
  ...credentialErrors,
  ...requestErrors,
  ...connectionErrors,
  ...channelErrors,
  ...serverErrors
} as const

/** True if who is refused for this may come again as it is: now is the wrong time, or here the
 * wrong place. */
export function isPassing({ code, statusCode }: ErrorInfo): boolean {
  return statusCode >= 500 || statusCode === 429 || code === 40111
}
