/**
 * Times inside messages. A publisher writes when it sent, a subscriber reads how long ago that was;
 * both read the machine's monotonic clock, which all processes of a machine share.
 */

const MARK = '@sent'
const DIGIT_COUNT = 16
const MARK_BYTES = Buffer.from(MARK)
const ZERO = 48

/** The monotonic clock in microseconds. */
export function nowMicros(): number {
  const [seconds, nanos] = process.hrtime()
  return seconds * 1e6 + Math.floor(nanos / 1000)
}

/** Text that carries this moment; always of the same length. */
export function stampOf(micros: number): string {
  return MARK + String(micros).padStart(DIGIT_COUNT, '0')
}

/** `text`, in which there is one stamp, as its parts before and after that stamp. */
export function aroundStamp(text: string): { before: string; after: string } {
  const at = text.indexOf(MARK)
  if (at < 0) throw new Error('a message without a stamp')
  return { before: text.slice(0, at), after: text.slice(at + MARK.length + DIGIT_COUNT) }
}

/** The stamp between `start` and `end` of `bytes` in microseconds; -1: none there. */
export function readStamp(bytes: Buffer, start: number, end: number): number {
  const mark = bytes.indexOf(MARK_BYTES, start)
  if (mark < 0 || mark >= end) return -1
  let micros = 0
  const first = mark + MARK.length
  for (let at = first; at < first + DIGIT_COUNT; at++) micros = micros * 10 + bytes[at]! - ZERO
  return micros
}
