/**
 * The images that the local cluster runs, made without a registry: the project's own Dockerfile
 * built by buildah on a base made here (Debian, this machine's Node 26 and npm) under the name
 * that the Dockerfile asks for, a nats-server image from the built binary, and the pause image.
 * Layers and the base are kept in the cache folder, so that a second build takes seconds.
 */

import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pinnedToolPath, toolSearchOf } from '../support/tools.ts'
import { run } from './shell.ts'

const checkout = join(import.meta.dirname, '..', '..')
const baseImage = 'docker.io/library/node:26-slim'
/** What the real image holds beside Node and npm; Node 26 needs libatomic. */
const basePackages = ['ca-certificates', 'libatomic1', 'libstdc++6']

export const projectImage = 'localhost/ringcast:local'
export const natsImage = 'docker.io/library/nats:2.15-alpine'
export const pauseImage = 'localhost/pause:local'

/**
 * Builds all three images and writes them, with the layers they share stored once, into one OCI
 * archive, whose path is returned; the caller removes its folder. Rejects with the output of the
 * step that failed.
 */
export async function buildImages (report: (line: string) => void): Promise<string> {
  const store = new ImageStore()
  await store.ensureBase(report)
  await store.buildProject(projectImage)
  await store.buildNats()
  await store.buildPause()
  return store.exportImages([projectImage, natsImage, pauseImage])
}

/**
 * Builds the project's image alone, under another name, and returns the path of its archive: for
 * tests that upgrade from one image to another.
 */
export async function buildProjectImage (name: string): Promise<string> {
  const store = new ImageStore()
  await store.ensureBase(() => {})
  await store.buildProject(name)
  return store.exportImages([name])
}

class ImageStore {
  readonly #storeFolder = join(dirname(toolSearchOf(process.env).cacheFolder), 'images')

  async ensureBase (report: (line: string) => void): Promise<void> {
    const marker = `localhost/ringcast-base:${process.version}`
    if (await this.#has(marker)) {
      await this.#buildah('tag', marker, baseImage)
      return
    }
    report(`making the base image ${baseImage} from Debian packages and Node ${process.version}`)
    await inTemporaryFolder(async folder => {
      await run('mmdebstrap', [
        '--quiet', '--variant=minbase', `--include=${basePackages.join(',')}`,
        ...['doc', 'man', 'locale'].map(part => `--dpkgopt=path-exclude=/usr/share/${part}/*`),
        debianRelease(), join(folder, 'debian.tar')
      ])
      cpSync(process.execPath, join(folder, 'node'))
      cpSync(npmFolder(), join(folder, 'npm'), { recursive: true })
      const modules = '../lib/node_modules/npm/bin'
      await this.#build(folder, baseImage, [
        'FROM scratch',
        'ADD debian.tar /',
        'COPY node /usr/local/bin/node',
        'COPY npm /usr/local/lib/node_modules/npm',
        `RUN ln -s ${modules}/npm-cli.js /usr/local/bin/npm`,
        `RUN ln -s ${modules}/npx-cli.js /usr/local/bin/npx`,
        'CMD ["node"]'
      ])
    })
    await this.#buildah('tag', baseImage, marker)
  }

  /** Builds the Dockerfile with this machine's npm settings, which stay out of the image. */
  async buildProject (name: string): Promise<void> {
    await inTemporaryFolder(async folder => {
      const mounts = await npmMounts(folder)
      await this.#buildah(
        'bud', ...buildOptions, '--layers', '--tag', name,
        ...mounts.flatMap(mount => ['--volume', mount]), checkout
      )
    })
  }

  async buildNats (): Promise<void> {
    const binary = pinnedToolPath('nats-server')
    if (binary === undefined) throw new Error('nats-server not found: run `make tools-nats`')
    await inTemporaryFolder(async folder => {
      cpSync(binary, join(folder, 'nats-server'))
      await this.#build(folder, natsImage, [
        'FROM scratch',
        'COPY nats-server /nats-server',
        'ENTRYPOINT ["/nats-server"]'
      ])
    })
  }

  async buildPause (): Promise<void> {
    await inTemporaryFolder(folder => this.#build(folder, pauseImage, [
      `FROM ${baseImage}`, 'CMD ["sleep", "infinity"]'
    ]))
  }

  async exportImages (names: string[]): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'ringcast-images-'))
    const layout = join(folder, 'layout')
    for (const name of names) {
      const to = `oci:${layout}:${name}`
      await this.#buildah('push', '--quiet', '--disable-compression', name, to)
    }
    const archive = join(folder, 'images.tar')
    await run('tar', ['--create', '--file', archive, '--directory', layout, '.'])
    rmSync(layout, { recursive: true })
    // Images that a newer build of the same name replaced would fill the disk in time.
    await this.#buildah('rmi', '--prune')
    await this.#unmount()
    return archive
  }

  async #build (folder: string, tag: string, lines: string[]): Promise<void> {
    writeFileSync(join(folder, 'Dockerfile'), lines.join('\n') + '\n')
    await this.#buildah('bud', ...buildOptions, '--layers=false', '--tag', tag, folder)
  }

  async #has (name: string): Promise<boolean> {
    const images = await this.#buildah('images', '--format', '{{.Name}}:{{.Tag}}')
    return images.split('\n').includes(name)
  }

  #buildah (...args: string[]): Promise<string> {
    return run('buildah', [
      '--root', join(this.#storeFolder, 'store'), '--runroot', join(this.#storeFolder, 'run'),
      '--storage-driver', 'overlay', ...args
    ])
  }

  /** buildah leaves its store mounted on itself. */
  async #unmount (): Promise<void> {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
      .map(line => line.split(' ')[4] ?? '')
      .filter(mount => mount.startsWith(this.#storeFolder + '/'))
    for (const mount of mounts.toReversed()) await run('umount', [mount])
  }
}

const buildOptions = ['--quiet', '--isolation', 'chroot', '--pull-never', '--force-rm']

async function inTemporaryFolder (work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-build-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The release of the Debian this machine runs; its own archive settings then apply. */
function debianRelease (): string {
  const release = readFileSync('/etc/os-release', 'utf8')
  return /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1] ?? 'bookworm'
}

/** The npm of this machine itself, not one of a project's node_modules. */
function npmFolder (): string {
  const npm = machinePath().map(folder => join(folder, 'npm')).find(file => existsSync(file))
  if (npm === undefined) throw new Error('npm not found in the PATH')
  return join(dirname(realpathSync(npm)), '..')
}

function machinePath (): string[] {
  return toolSearchOf(process.env).pathFolders.filter(folder => !folder.includes('node_modules'))
}

/**
 * What `npm ci` inside the build needs of this machine: where packages come from, whom to trust
 * for that, and what was fetched before. Each as a volume that exists during the build only.
 */
async function npmMounts (folder: string): Promise<string[]> {
  const env = { ...process.env, PATH: machinePath().join(delimiter) }
  const setting = async (name: string) => (await run('npm', ['config', 'get', name], {
    env, cwd: folder
  })).trim()
  const userFile = await setting('userconfig')
  const lines = [
    existsSync(userFile) ? readFileSync(userFile, 'utf8') : '',
    `registry=${await setting('registry')}`
  ]
  const mounts: string[] = []
  const configured = await setting('cafile')
  const authorities = configured === 'null' ? process.env.NODE_EXTRA_CA_CERTS : configured
  if (authorities !== undefined && existsSync(authorities)) {
    lines.push('cafile=/root/authorities.crt')
    mounts.push(`${realpathSync(authorities)}:/root/authorities.crt:ro`)
  }
  const cache = await setting('cache')
  mkdirSync(cache, { recursive: true })
  const npmrc = join(folder, 'npmrc')
  writeFileSync(npmrc, lines.join('\n') + '\n', { mode: 0o600 })
  return [...mounts, `${npmrc}:/root/.npmrc:ro`, `${cache}:/root/.npm:rw`]
}
