/**
 * What of the core a simulation executes, as V8 counts it (precise block coverage of the
 * inspector), in characters of code: types, comments, imports and white space are nothing to
 * execute and do not count. The coverage must begin before the core is loaded.
 */

import { readFileSync, globSync } from 'node:fs'
import { type Profiler, Session } from 'node:inspector'
import { stripTypeScriptTypes } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = resolve(import.meta.dirname, '..', '..')
/** The rooms that the simulator is there to run. */
export const ROOMS = [
  'peer', 'ring', 'log', 'channel', 'session', 'stats', 'node'
] as const

/** How much of a room, or of a file, was executed. */
export interface Share {
  readonly name: string
  readonly total: number
  readonly executed: number
  /** Lines of which something was not executed, by file. */
  readonly left: ReadonlyMap<string, readonly number[]>
}

export class Coverage {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  }

  /** What was executed so far, by room. */
  rooms(): Share[] {
    let scripts: Profiler.ScriptCoverage[] = []
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      scripts = result
    })
    const byUrl = new Map(scripts.map((script) => [script.url, script]))
    return ROOMS.map((room) => shareOf(room, byUrl))
  }

  end(): void {
    this.#session.disconnect()
  }
}

function shareOf(room: string, byUrl: ReadonlyMap<string, Profiler.ScriptCoverage>): Share {
  let total = 0
  let executed = 0
  const left = new Map<string, number[]>()
  for (const file of globSync(`src/${room}/*.ts`, { cwd: ROOT }).sort()) {
    const path = join(ROOT, file)
    const code = codeOf(readFileSync(path, 'utf8'))
    const isRun = runIn(code, byUrl.get(pathToFileURL(path).href))
    const lines = new Set<number>()
    let line = 1
    for (let at = 0; at < code.length; at++) {
      if (code[at] === '\n') line++
      else if (code[at] !== ' ') {
        total++
        if (isRun[at] === 1) executed++
        else lines.add(line)
      }
    }
    if (lines.size > 0) left.set(file, [...lines])
  }
  return { name: room, total, executed, left }
}

/** The source with what is nothing to execute made blank; every character stays in its place. */
function codeOf(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
  return stripTypeScriptTypes(source)
    .replace(/^\s*\/\*\*?[\s\S]*?\*\//gm, blank)
    .replace(/^\s*\/\/.*$/gm, blank)
    .replace(/^import [\s\S]*? from '.*'$/gm, blank)
}

/** By character: 1 if it was executed. Inner ranges stand after outer ones, and win. */
function runIn(code: string, script: Profiler.ScriptCoverage | undefined): Uint8Array {
  const isRun = new Uint8Array(code.length)
  for (const { ranges } of script?.functions ?? []) {
    for (const { startOffset, endOffset, count } of ranges) {
      isRun.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    }
  }
  return isRun
}
