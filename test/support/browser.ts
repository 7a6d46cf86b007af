/**
 * A real browser, headless, with pages of this machine alone: nothing of it asks the network for
 * anything, and its profile goes with it.
 */

import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Closing } from './ably-clients.ts'

const EXECUTABLE = '/usr/bin/chromium'
const SDK = new URL('../../node_modules/ably/build/ably.min.js', import.meta.url)
const PAGE = '<!doctype html><title>page</title><script src="/ably.js"></script>'

/** Why there is none here; false where there is. Fits tap's `skip`. */
export function browserObstacle(): string | false {
  return existsSync(EXECUTABLE) ? false : `no ${EXECUTABLE}: apt-get install chromium`
}

/** A page with the SDK on it, of an origin of its own; both go when `t` ends. */
export async function sdkPage(t: Closing): Promise<Page> {
  const sdk = readFileSync(SDK)
  const server = createServer((request, response) => {
    const isSdk = request.url === '/ably.js'
    response.setHeader('content-type', isSdk ? 'text/javascript' : 'text/html')
    response.end(isSdk ? sdk : PAGE)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const browser = await launched()
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return page
}

function launched(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run',
      '--disable-component-update', '--disable-sync', '--disable-default-apps'
    ]
  })
}
