/**
 * While a simulation runs, the real clocks, timers and chance are not there: whoever touches them
 * would make two runs of one seed differ, and fails at once instead.
 */

type Target = Record<string, unknown>

/** Runs `run` without real time and chance, and gives them back whatever happens. */
export function withoutRealTime<T>(run: () => T): T {
  const restore: (() => void)[] = []
  const poison = (target: object, name: string, value: unknown): void => {
    const holder = target as Target
    const descriptor = Object.getOwnPropertyDescriptor(holder, name)
    const former = holder[name]
    Object.defineProperty(holder, name, { value, configurable: true, writable: true })
    restore.push(() => {
      if (descriptor === undefined) delete holder[name]
      else Object.defineProperty(holder, name, descriptor)
      if (holder[name] !== former) throw new Error(`${name} was not restored`)
    })
  }
  const banned = (name: string) => () => {
    throw new Error(`${name} was called in a simulation`)
  }
  const RealDate = Date
  const timeless = class extends RealDate {
    constructor(...args: unknown[]) {
      if (args.length === 0) throw new Error('new Date() was called in a simulation')
      super(...(args as [number]))
    }

    static override now = banned('Date.now')
  }
  poison(globalThis, 'Date', timeless)
  poison(Math, 'random', banned('Math.random'))
  poison(performance, 'now', banned('performance.now'))
  poison(crypto, 'getRandomValues', banned('crypto.getRandomValues'))
  poison(crypto, 'randomUUID', banned('crypto.randomUUID'))
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch']) {
    poison(globalThis, name, banned(name))
  }
  for (const name of ['localeCompare', 'toLocaleLowerCase', 'toLocaleUpperCase']) {
    poison(String.prototype, name, banned(name))
  }
  try {
    return run()
  } finally {
    for (const each of restore.reverse()) each()
  }
}
