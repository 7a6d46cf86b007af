/*
Kubernetes quantities as numbers, so that `1000m` and `1` are known to be the same amount.
*/

const factors: Record<string, number> = {
  n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60
}

/** The amount a quantity stands for; undefined when it is none. */
export function amountOf (quantity: unknown): number | undefined {
  if (typeof quantity === 'number') return quantity
  if (typeof quantity !== 'string') return undefined
  const parts = /^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$/
    .exec(quantity)
  if (parts === null) return undefined
  const [, digits = '', suffix = ''] = parts
  const factor = factors[suffix] ?? Number(`1${suffix}`)
  return Number(digits) * factor
}

/** Whole bytes of a size that the schema has let through. */
export function bytesOfQuantity (quantity: string | number): number {
  const amount = amountOf(quantity)
  if (amount === undefined) throw new Error(`not a quantity: ${quantity}`)
  return Math.floor(amount)
}
