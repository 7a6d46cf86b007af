/** One meter for whatever a test counts. */

import { Meter, type MeterSource } from '../../src/base/meter.ts'

export function oneMeter(meter = new Meter('app')): MeterSource {
  return { of: () => meter, ofChannel: () => meter }
}
