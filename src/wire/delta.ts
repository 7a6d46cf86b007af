/**
 * VCDIFF (RFC 3284): a body as what to copy from another body, and what to add. One window, the
 * default code table, no secondary compression, nothing copied from the target itself, so that
 * every decoder of the format reads it (ably-protocol 7.6).
 *
 * The base is cut into blocks that are found by their hash; over the target runs a hash of the
 * same width. Where both have a block in common it is extended both ways, and the longest find is
 * taken. Time is in proportion to both bodies: each place is compared with a few candidates, and
 * what was compared in vain is never longer than what was found. Memory is two tables with an
 * entry per block, and the delta itself, which is given up as soon as it is not smaller than the
 * target.
 */

const HEADER = Uint8Array.of(0xd6, 0xc3, 0xc4, 0x00, 0x00)
const VCD_SOURCE = 0x01
/** The smallest copy that pays: its instruction and address take about as much. */
const COPY_BYTES_MIN = 4
/** How many blocks with one hash are tried. */
const CANDIDATES_MAX = 8
const MULTIPLIER = 0x01000193
const SPREAD = 0x9e3779b1

/**
 * The VCDIFF that makes `target` out of `base`; undefined when it would not be smaller than
 * `target`.
 */
export function encodeDelta(base: Uint8Array, target: Uint8Array): Uint8Array | undefined {
  if (base.length < COPY_BYTES_MIN || target.length < COPY_BYTES_MIN) return undefined
  const writer = new DeltaWriter(base.length, target)
  const index = new BlockIndex(base, target)
  let literalFrom = 0
  let at = 0
  while (at < target.length && !writer.isTooLong) {
    const match = index.longestAt(at, literalFrom)
    if (match === undefined) {
      at++
      continue
    }
    writer.add(literalFrom, match.targetFrom)
    writer.copy(match.baseFrom, match.length)
    at = match.targetFrom + match.length
    literalFrom = at
    index.shift = match.baseFrom - match.targetFrom
  }
  writer.add(literalFrom, target.length)
  return writer.delta()
}

/** A run of bytes that both have. */
interface Match {
  readonly baseFrom: number
  readonly targetFrom: number
  readonly length: number
}

/** Finds what the target has in common with the base. */
class BlockIndex {
  readonly #base: Uint8Array
  readonly #target: Uint8Array
  readonly #width: number
  readonly #heads: Int32Array
  readonly #nexts: Int32Array
  readonly #bits: number
  /** What the oldest byte of a hash counts. */
  readonly #oldest: number
  #hash = 0
  /** Where in the target `#hash` begins; -1: nowhere. */
  #hashedAt = -1
  /** Between the places of the last copy in base and target: what follows likely goes on so. */
  shift = 0

  constructor(base: Uint8Array, target: Uint8Array) {
    this.#base = base
    this.#target = target
    this.#width = base.length <= 2_048 ? 4 : base.length <= 16_384 ? 8 : 16
    const blockCount = Math.floor(base.length / this.#width)
    this.#bits = Math.max(4, Math.ceil(Math.log2(blockCount + 1)) + 1)
    this.#heads = new Int32Array(1 << this.#bits).fill(-1)
    this.#nexts = new Int32Array(blockCount)
    let oldest = 1
    for (let no = 1; no < this.#width; no++) oldest = Math.imul(oldest, MULTIPLIER)
    this.#oldest = oldest
    // From the last to the first, so that the first one is found first.
    for (let block = blockCount - 1; block >= 0; block--) {
      const slot = this.#slot(hashOf(base, block * this.#width, this.#width))
      this.#nexts[block] = this.#heads[slot]!
      this.#heads[slot] = block
    }
  }

  /** The longest run around `at` that does not begin before `from`. */
  longestAt(at: number, from: number): Match | undefined {
    let best: Match | undefined
    const likely = at + this.shift
    if (likely >= 0 && likely < this.#base.length) best = this.#around(likely, at, from)
    let block = this.#blockAt(at)
    for (let no = 0; block !== -1 && no < CANDIDATES_MAX; no++) {
      const match = this.#around(block * this.#width, at, from)
      if (match !== undefined && (best === undefined || match.length > best.length)) best = match
      block = this.#nexts[block]!
    }
    return best
  }

  #blockAt(at: number): number {
    const width = this.#width
    if (at + width > this.#target.length) return -1
    if (this.#hashedAt === at - 1 && at > 0) {
      const gone = Math.imul(this.#target[at - 1]!, this.#oldest)
      const rest = Math.imul((this.#hash - gone) | 0, MULTIPLIER)
      this.#hash = (rest + this.#target[at + width - 1]!) | 0
    } else {
      this.#hash = hashOf(this.#target, at, width)
    }
    this.#hashedAt = at
    return this.#heads[this.#slot(this.#hash)]!
  }

  #around(baseAt: number, targetAt: number, from: number): Match | undefined {
    const base = this.#base
    const target = this.#target
    const end = Math.min(base.length - baseAt, target.length - targetAt)
    let length = 0
    while (length < end && base[baseAt + length] === target[targetAt + length]) length++
    // Only what holds here is worth to be looked at backwards, or every place would be.
    if (length < COPY_BYTES_MIN) return undefined
    let before = 0
    const beforeMax = Math.min(baseAt, targetAt - from)
    while (before < beforeMax && base[baseAt - before - 1] === target[targetAt - before - 1]) {
      before++
    }
    return { baseFrom: baseAt - before, targetFrom: targetAt - before, length: length + before }
  }

  #slot(hash: number): number {
    return Math.imul(hash, SPREAD) >>> (32 - this.#bits)
  }
}

function hashOf(bytes: Uint8Array, from: number, width: number): number {
  let hash = 0
  for (let at = from; at < from + width; at++) hash = (Math.imul(hash, MULTIPLIER) + bytes[at]!) | 0
  return hash
}

/** Bytes that are appended up to a bound. */
class Section {
  readonly bytes: Uint8Array
  length = 0
  isFull = false

  constructor(sizeMax: number) {
    this.bytes = new Uint8Array(sizeMax)
  }

  put(byte: number): void {
    if (this.length === this.bytes.length) this.isFull = true
    else this.bytes[this.length++] = byte
  }

  putAll(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.bytes.length) {
      this.isFull = true
      return
    }
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Seven bits in a byte, the highest first (RFC 3284, 2). */
  putNumber(value: number): void {
    for (let rest = numberBytes(value) - 1; rest > 0; rest--) {
      this.put(0x80 | (Math.floor(value / 128 ** rest) & 0x7f))
    }
    this.put(value & 0x7f)
  }

  get used(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}

function numberBytes(value: number): number {
  let count = 1
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) count++
  return count
}

/** Instructions as the default code table has them (RFC 3284, 5.6), each alone. */
class DeltaWriter {
  readonly #baseLength: number
  readonly #target: Uint8Array
  readonly #data: Section
  readonly #instructions: Section
  readonly #addresses: Section
  readonly #cache = new AddressCache()
  #writtenCount = 0

  constructor(baseLength: number, target: Uint8Array) {
    this.#baseLength = baseLength
    this.#target = target
    this.#data = new Section(target.length)
    this.#instructions = new Section(target.length)
    this.#addresses = new Section(target.length)
  }

  /** True once what is written is no gain any more. */
  get isTooLong(): boolean {
    const [data, instructions, addresses] = this.#sections
    return data.isFull || instructions.isFull || addresses.isFull ||
      data.length + instructions.length + addresses.length >= this.#target.length
  }

  get #sections(): readonly [Section, Section, Section] {
    return [this.#data, this.#instructions, this.#addresses]
  }

  add(from: number, to: number): void {
    const size = to - from
    if (size === 0) return
    this.#data.putAll(this.#target.subarray(from, to))
    if (size <= 17) {
      this.#instructions.put(1 + size)
    } else {
      this.#instructions.put(1)
      this.#instructions.putNumber(size)
    }
    this.#writtenCount += size
  }

  copy(address: number, size: number): void {
    const mode = this.#cache.write(address, this.#baseLength + this.#writtenCount, this.#addresses)
    const first = 19 + 16 * mode
    if (size >= 4 && size <= 18) {
      this.#instructions.put(first + size - 3)
    } else {
      this.#instructions.put(first)
      this.#instructions.putNumber(size)
    }
    this.#writtenCount += size
  }

  /** All of it; undefined when it is not smaller than the target. */
  delta(): Uint8Array | undefined {
    if (this.isTooLong) return undefined
    const sizeMax = this.#target.length - 1
    const head = new Section(sizeMax)
    head.putNumber(this.#target.length)
    head.put(0)
    for (const { length } of this.#sections) head.putNumber(length)
    let bodyBytes = head.length
    for (const { length } of this.#sections) bodyBytes += length
    const whole = new Section(sizeMax)
    whole.putAll(HEADER)
    whole.put(VCD_SOURCE)
    whole.putNumber(this.#baseLength)
    whole.putNumber(0)
    whole.putNumber(bodyBytes)
    whole.putAll(head.used)
    for (const section of this.#sections) whole.putAll(section.used)
    return head.isFull || whole.isFull ? undefined : whole.bytes.slice(0, whole.length)
  }
}

const NEAR_COUNT = 4
const SAME_COUNT = 3 * 256

/** Addresses in the form that takes the least (RFC 3284, 5.3). */
class AddressCache {
  readonly #near = new Int32Array(NEAR_COUNT)
  readonly #same = new Int32Array(SAME_COUNT)
  #nextNear = 0

  /** Writes `address`, as seen from `here`; returns the mode that it was written in. */
  write(address: number, here: number, section: Section): number {
    const slot = address % SAME_COUNT
    let mode = 0
    let value = address
    if (here - address < value) {
      mode = 1
      value = here - address
    }
    for (let no = 0; no < NEAR_COUNT; no++) {
      const distance = address - this.#near[no]!
      if (distance < 0 || distance >= value) continue
      mode = 2 + no
      value = distance
    }
    if (this.#same[slot] === address && numberBytes(value) > 1) {
      mode = 2 + NEAR_COUNT + Math.floor(slot / 256)
      section.put(slot % 256)
    } else {
      section.putNumber(value)
    }
    this.#near[this.#nextNear] = address
    this.#nextNear = (this.#nextNear + 1) % NEAR_COUNT
    this.#same[slot] = address
    return mode
  }
}
