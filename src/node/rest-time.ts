/** What time it is here (protocol 14.1). */

import type { Call } from './call.ts'
import type { RequestPorts } from './request-ports.ts'

/** `GET /time`: milliseconds since the Unix epoch, in a list. */
export function tellTime(call: Call, ports: RequestPorts): void {
  call.answer(200, [Math.floor(ports.now().wallMs)])
}
