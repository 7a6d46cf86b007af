/**
 * Certificates for servers that tests start: one authority per folder, elliptic keys (quick to
 * make), made by the `openssl` command.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const days = '3650'
const ellipticKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export type Certificate = { certFile: string, keyFile: string }

export type KeyPair = { keyFile: string, publicFile: string }

export type CertificateRequest = {
  /** Name of the files in the authority's folder. */
  name: string
  /** Distinguished name as openssl writes it, such as `/O=system:masters/CN=admin`. */
  subject: string
  /** Names and addresses a server answers to, such as `IP:127.0.0.1` or `DNS:localhost`. */
  names?: string[]
}

export type Authority = {
  certFile: string
  /** Makes a certificate good for both ends of a connection, and its key. */
  issue (request: CertificateRequest): Certificate
}

/** Makes a certificate authority in `folder`, which is created. Throws what openssl says. */
export function createAuthority (folder: string): Authority {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const root = filesOf(folder, 'ca')
  openssl([
    'req', '-x509', ...ellipticKey, '-days', days, '-subj', '/CN=ringcast-test-ca',
    '-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature',
    '-keyout', root.keyFile, '-out', root.certFile
  ])
  return {
    certFile: root.certFile,
    issue ({ name, subject, names = [] }) {
      const made = filesOf(folder, name)
      const alternatives = names.length === 0
        ? []
        : ['-addext', `subjectAltName=${names.join(',')}`]
      openssl([
        'req', '-x509', ...ellipticKey, '-days', days, '-subj', subject,
        '-CA', root.certFile, '-CAkey', root.keyFile,
        '-addext', 'basicConstraints=critical,CA:FALSE',
        '-addext', 'extendedKeyUsage=serverAuth,clientAuth',
        ...alternatives,
        '-keyout', made.keyFile, '-out', made.certFile
      ])
      return made
    }
  }
}

/** Makes a key pair for signing service account tokens. Throws what openssl says. */
export function createKeyPair (folder: string, name: string): KeyPair {
  const keyFile = join(folder, `${name}.key`)
  const publicFile = join(folder, `${name}.pub`)
  openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keyFile])
  openssl(['ec', '-in', keyFile, '-pubout', '-out', publicFile])
  return { keyFile, publicFile }
}

/** A kubeconfig (JSON, which is YAML) for one user of one API server, with everything inside. */
export function kubeconfigOf (url: string, authority: string, user: Certificate): string {
  const encoded = (file: string) => readFileSync(file).toString('base64')
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{
      name: 'local',
      cluster: { server: url, 'certificate-authority-data': encoded(authority) }
    }],
    users: [{
      name: 'local',
      user: {
        'client-certificate-data': encoded(user.certFile),
        'client-key-data': encoded(user.keyFile)
      }
    }],
    contexts: [{ name: 'local', context: { cluster: 'local', user: 'local' } }],
    'current-context': 'local'
  }, null, 2) + '\n'
}

function filesOf (folder: string, name: string): Certificate {
  return { certFile: join(folder, `${name}.crt`), keyFile: join(folder, `${name}.key`) }
}

function openssl (args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
