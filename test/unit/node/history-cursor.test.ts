/* Where a reading of history goes on, as text in links. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import {
  cursorOf, cursorsOf, cursorsText, cursorText, isCursor, isOfWorld, startIn
} from '../../../src/node/history-cursor.ts'
import { messageSerial } from '../../../src/wire/serial.ts'

const serialAt = (ms: number, site = 'L'): string => messageSerial({ ms, counter: 2, site }, 3)
const [early, late] = [serialAt(1_000, 'A'), serialAt(2_000, 'B')]

t.test('a place is a serial, with the record that it was read in', async (t) => {
  for (const mark of [undefined, 1, 123_456]) {
    const text = cursorText(early, mark)
    t.ok(isCursor(text))
    t.notOk(isOfWorld(text))
    t.same(cursorOf(text),
      { ms: 1_000, counter: 2, site: 'A', index: 3, serial: early, mark })
  }
  t.equal(cursorText(early, 0), early, 'no record has this number')
})

t.test('in a world each region has its own, or none yet', async (t) => {
  const text = `eu=${early}!1a,us=${late},odd%20one%2C`
  t.ok(isCursor(text))
  t.ok(isOfWorld(text))
  const cursors = cursorsOf(text, 'eu')
  t.same([...cursors.keys()], ['eu', 'us', 'odd one,'])
  t.match(cursors.get('eu'), { serial: early, mark: 46 })
  t.match(cursors.get('us'), { serial: late, mark: undefined })
  t.equal(cursorsText(cursors), text)
})

t.test('one of a region that was alone is of that region', async (t) => {
  const cursors = cursorsOf(cursorText(early, 7), 'eu')
  t.match(cursors.get('eu'), { serial: early, mark: 7 })
  t.equal(cursors.size, 1)
  t.equal(cursorsOf(undefined, 'eu').size, 0)
})

t.test('a region goes on where it was, or where the others are', async (t) => {
  const cursors = cursorsOf(`eu=${early}!1a,us=${late}!2b,ap`, 'eu')
  const serialIn = (region: string, isBackwards: boolean): unknown[] => {
    const start = startIn(region, cursors, isBackwards)
    return [start?.serial, start?.mark]
  }
  for (const isBackwards of [true, false]) {
    t.same(serialIn('eu', isBackwards), [early, 46])
    t.same(serialIn('us', isBackwards), [late, 83])
  }
  t.same(serialIn('ap', false), [undefined, undefined], 'nothing of it was told yet')
  t.same(serialIn('ap', true), [early, undefined], 'what came later came meanwhile')
  t.same(serialIn('new', false), [late, undefined], 'it was not read before')
  t.same(serialIn('new', true), [early, undefined])
  t.equal(startIn('eu', new Map(), true), undefined)
})

t.test('what is no cursor is none', async (t) => {
  const many = Array.from({ length: limits.worldRegionsMax + 2 }, (_, no) => `r${no}`).join(',')
  const odd = [
    'nonsense', `${early}!`, `${early}!?`, `eu=`, `=${early}`, `eu=nonsense`, `eu=${early},`,
    `eu=${early},eu=${late}`, `eu=${early}=${late}`, `%E0%A4%A=${early}`, `${early},us=${late}=`,
    `eu=${early},${many}`
  ]
  for (const text of odd) t.notOk(isCursor(text), text)
})
