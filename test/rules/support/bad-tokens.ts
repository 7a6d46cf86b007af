/** Tokens that nobody is let in with: over, forged, malformed, or of nobody. */

import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { jwtOf } from '../../support/tokens.ts'

const b64url = (value: unknown): string => Buffer.from(
  typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A JWT with any header, claims and signature. */
function forged(header: object, claims: object, signature: (signed: string) => string): string {
  const iat = Math.floor(Date.now() / 1_000)
  const signed = `${b64url(header)}.${b64url({ iat, exp: iat + 60, ...claims })}`
  return `${signed}.${signature(signed)}`
}

const hmac = (algorithm: string, secret: string) => (signed: string): string =>
  createHmac(algorithm, secret).update(signed).digest('base64url')

/** What requests are told of keys and apps that are not there (protocol 11.5). */
export const MISSING: Readonly<Record<string, readonly [number, number]>> = {
  'of an unknown key': [401, 40400],
  'of an unknown app': [404, 40400],
  'a prototype': [404, 40400]
}

/** What nobody is let in with, each with its code. */
export function badTokens(key: string, other: string): readonly [string, string, number][] {
  const [keyName, secret] = key.split(':') as [string, string]
  const [otherName, otherSecret] = other.split(':') as [string, string]
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const hs256 = { alg: 'HS256', typ: 'JWT', kid: keyName }
  const own = hmac('sha256', secret)
  const of = (kid: unknown): string => forged({ ...hs256, kid }, {}, own)
  const rsa = (signed: string): string =>
    createSign('sha256').update(signed).sign(privateKey).toString('base64url')
  const good = jwtOf(key)
  const [head, body, tail] = good.split('.') as [string, string, string]
  const more = b64url({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), exp: 9e9 })
  return [
    ['expired', jwtOf(key, { ageS: 60, lifeS: 30 }), 40142],
    ['signed by another key', jwtOf(`${keyName}:${otherSecret}`), 40144],
    ['another key is named', jwtOf(`${otherName}:${secret}`), 40144],
    ['of an unknown key', jwtOf(`${keyName}x:${secret}`), 40101],
    ['of an unknown app', jwtOf(`x${keyName}:${secret}`), 40101],
    ['no algorithm', forged({ ...hs256, alg: 'none' }, {}, () => ''), 40144],
    ['no algorithm, signed', forged({ ...hs256, alg: 'NONE' }, {}, own), 40144],
    ['a longer hash', forged({ ...hs256, alg: 'HS512' }, {}, hmac('sha512', secret)), 40144],
    ['another hash under its name', forged(hs256, {}, hmac('sha512', secret)), 40144],
    ['a key pair', forged({ ...hs256, alg: 'RS256' }, {}, rsa), 40144],
    ['a public key as the secret', forged(hs256, {}, hmac('sha256', pem)), 40144],
    ['the key in the header', forged(
      { ...hs256, jwk: { kty: 'oct', k: b64url('mine') } }, {}, hmac('sha256', 'mine')), 40144],
    ['the key elsewhere', forged(
      { ...hs256, jku: 'http://127.0.0.1/keys' }, {}, hmac('sha256', 'mine')), 40144],
    ['an empty secret', forged(hs256, {}, hmac('sha256', '')), 40144],
    ['critical extensions', forged({ ...hs256, crit: ['exp'] }, {}, own), 40144],
    ['a path as the key', of('../../../dev/null'), 40144],
    ['a query as the key', of("x' OR '1'='1"), 40144],
    ['no key', of(undefined), 40144], ['a list of keys', of([keyName]), 40144],
    ['a key with its secret', of(key), 40144], ['a prototype', of('__proto__.constructor'), 40101],
    ['other claims', `${head}.${more}.${tail}`, 40144], ['no signature', `${head}.${body}.`, 40144],
    ['half a signature', good.slice(0, -20), 40144],
    ['a padded signature', `${good}==`, 40144], ['two signatures', `${good}.${tail}`, 40144],
    ['a life without end', forged(hs256, { exp: 9_999_999_999 }, own), 40144],
    ['no times', forged(hs256, { iat: null, exp: null }, own), 40144],
    ['from tomorrow', jwtOf(key, { ageS: -86_400 }), 40144],
    ['an envelope in an envelope', forged({}, {
      'x-ably-token': forged({}, { 'x-ably-token': good }, own)
    }, own), 40144],
    ['an envelope of nothing', forged({}, { 'x-ably-token': 7 }, own), 40144],
    ['no token', 'nonsense', 40145], ['dots', '...', 40144],
    ['no base64', '*.*.*', 40144], ['an Ably token that is none', `${keyName}AAAA`, 40143],
    ['an Ably token of nobody', `nobody.${b64url('[1,"k"]')}`, 40143],
    ['an Ably token without proof', `${keyName.split('.')[0]}.${b64url(
      `${'x'.repeat(32)}[1,"${keyName.split('.')[1]}",0,9e15,"{\\"*\\":[\\"*\\"]}",null]`)}`, 40143]
  ]
}
