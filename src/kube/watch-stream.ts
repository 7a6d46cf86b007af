/*
The body of a watch: one JSON object per line, for as long as the server likes.
*/
import { KubeError } from './kube-error.ts'
import type { KubeObject } from './resource.ts'
import { type Status, errorOfStatus } from './status.ts'
import type { OpenAnswer } from './transport.ts'

/** One line of a watch. `ERROR` never gets this far: it is thrown as a `KubeError`. */
export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  object: KubeObject
}

/**
 * An open watch, to be iterated once. The iteration ends when the server ends the watch or
 * `close()` is called, and throws a `KubeError` when the connection breaks (status 0) or the
 * server says `ERROR` (its status, 410 above all).
 */
export interface WatchStream extends AsyncIterable<WatchEvent> {
  close (): void
}

/** An object is at most some 1.5 MB in etcd; a longer line is not a watch event. */
const lineLengthMax = 16 * 1024 * 1024

export function watchStreamOf (answer: OpenAnswer): WatchStream {
  let isClosed = false
  let isOver = false
  const close = () => {
    isClosed = true
    // A watch that ended by itself gives its connection back, to be used again.
    if (!isOver) answer.abort()
  }
  async function * events (): AsyncGenerator<WatchEvent> {
    try {
      for await (const line of linesOf(answer.body)) {
        if (isClosed) return
        yield eventOf(line)
      }
      isOver = true
    } catch (error) {
      if (!isClosed) throw error
    } finally {
      close()
    }
  }
  return { close, [Symbol.asyncIterator]: events }
}

async function * linesOf (body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true })
    // Only the new text is searched: a long line may come in many small chunks.
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const line = rest + text.slice(start, end)
      rest = ''
      start = end + 1
      if (line.trim() !== '') yield line
    }
    rest += text.slice(start)
    if (rest.length > lineLengthMax) throw badLine('a line of the watch never ends')
  }
  // Text after the last line break is a line cut off by the end of the connection. The object
  // in it comes again: the watch goes on from the resourceVersion of the last whole line.
}

function eventOf (line: string): WatchEvent {
  let event: { type?: string, object?: KubeObject & Status }
  try {
    event = JSON.parse(line)
  } catch (error) {
    throw badLine('a line of the watch is not JSON', error)
  }
  const { type, object } = event
  if (typeof object !== 'object' || object === null) throw badLine('a watch line has no object')
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      return { type, object }
    case 'ERROR':
      throw errorOfStatus(object, object.code ?? 500, undefined)
    default:
      throw badLine(`a watch line has the unknown type ${JSON.stringify(type)}`)
  }
}

function badLine (message: string, cause?: unknown): KubeError {
  return new KubeError({ status: 0, reason: 'BadAnswer', message, cause })
}
