/** Requests that are sent as they are: clients of HTTP tidy them up before. */

import { connect } from 'node:net'

/** The whole answer to a GET of this path, head and body, as text. */
export function rawRequest(
  url: string, path: string, headers: Readonly<Record<string, string>> = {}
): Promise<string> {
  const lines = [
    `GET ${path} HTTP/1.1`, `host: ${new URL(url).hostname}`, 'connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  ]
  return answerTo(url, `${lines.join('\r\n')}\r\n\r\n`)
}

/** The whole answer to any text; to what is said `then`, once there is one, too. */
export function answerTo(url: string, text: string, then?: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => {
      socket.write(text)
    })
    if (then !== undefined) socket.once('data', () => socket.write(then))
    socket.on('data', (data) => {
      answer += data.toString('latin1')
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', (error) => {
      if (answer === '') reject(error)
      else resolve(answer)
    })
  })
}
