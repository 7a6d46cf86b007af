/** A GET whose path is sent as it is: clients of HTTP tidy it up before. */

import { connect } from 'node:net'

/** The whole answer, head and body, as text. */
export function rawRequest(
  url: string, path: string, headers: Readonly<Record<string, string>> = {}
): Promise<string> {
  const { hostname, port } = new URL(url)
  const lines = [
    `GET ${path} HTTP/1.1`, `host: ${hostname}`, 'connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  ]
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    })
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
